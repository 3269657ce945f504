// The parts of ECharts that the page uses, and no more.

import { LineChart, TreemapChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([LineChart, TreemapChart, GridComponent, TooltipComponent, CanvasRenderer]);

export { init };
