// Signed out, refused or without rights: one field, and how to get what goes into it.

import { useState } from "preact/hooks";
import { link, refusal, signIn } from "../live";
import { Icon, Mark } from "../parts/icons";
import { Kubectl } from "../parts/basics";
import { type Key, language, t } from "../text";

const REFUSALS: Record<string, Key> = {
  NotSignedIn: "refusedNotSignedIn",
  Forbidden: "refusedForbidden",
  TooManyTries: "refusedTooManyTries",
  HubUnreachable: "refusedHubUnreachable",
  NoData: "refusedNoData",
  Unreachable: "refusedUnreachable",
  Invalid: "refusedInvalid",
};

function refused(reason: string): string {
  const key = REFUSALS[reason];
  return key ? t(key) : t("refusedOther", { reason });
}

export function SignIn() {
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const problem = refusal.value || (link.value === "forbidden" ? "Forbidden" : "");
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    await signIn(token.trim());
    setBusy(false);
  };
  return (
    <main class="sign-in" id="main">
      <form onSubmit={submit}>
        <Mark />
        <h1>{t("signInTitle")}</h1>
        <p>{t("signInHelp")}</p>
        <label for="token">{t("token")}</label>
        <textarea
          id="token"
          name="token"
          rows={4}
          spellcheck={false}
          autocomplete="off"
          required
          value={token}
          aria-invalid={problem ? true : undefined}
          aria-describedby="refusal"
          onInput={(event) => setToken(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && !event.shiftKey && void submit(event)}
        />
        <p id="refusal" role="alert" class="refusal">{problem && refused(problem)}</p>
        <button type="submit" class="main" disabled={busy || !token.trim()}>{t(busy ? "signingIn" : "signIn")}</button>
        <Kubectl command="kubectl create token suanli-operator -n suanli-system" />
        <button
          type="button"
          class="quiet tongue"
          onClick={() => (language.value = language.value === "zh" ? "en" : "zh")}
        >
          <Icon name="language" /> {t("language")}
        </button>
      </form>
    </main>
  );
}
