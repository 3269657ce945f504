import "@fontsource/barlow/latin-400.css";
import "@fontsource/barlow/latin-600.css";
import "@fontsource/barlow-condensed/latin-600.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";
import "./style/wall.css";
import { render } from "preact";
import { App } from "./app";
import { start } from "./live";

const page = document.getElementById("page");
if (page) render(<App />, page);
void start();
