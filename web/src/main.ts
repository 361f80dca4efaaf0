/** The page: puts the parts together. */

import { apiKey, getModels, Model, Refusal, setApiKey } from "./api";
import { byId, make, setNote, setText } from "./dom";
import { Files } from "./files";
import { Listening } from "./listening";
import { Monitor } from "./monitor";
import { Panel } from "./panel";
import { Suggesting } from "./suggestion";
import { Transcript } from "./transcript";

const CHOICE = "hotmic.model";
const chooser = byId<HTMLSelectElement>("model");
const chosen = () => chooser.value;

const transcript = new Transcript();
const panel = new Panel();
const monitor = new Monitor({
  news: (snapshot) => {
    panel.show(snapshot);
    listening.look();
    files.look();
    showStates();
  },
  gone: () => {
    setText(byId("banner-text"), "The server does not answer. Trying again …");
    byId("banner").hidden = false;
    panel.gone();
    listening.look();
  },
  back: () => {
    byId("banner").hidden = true;
    void listModels();
  },
  unknown: (refusal) => {
    setNote(byId("reason"), refusal.message);
    void listModels();
  },
});
const listening = new Listening(transcript, monitor, chosen, askForKey);
const files = new Files(transcript, monitor, chosen, askForKey);
new Suggesting(askForKey);

/** Which models there are; without a key that the server wants, the one it serves by default. */
async function listModels(): Promise<void> {
  try {
    const models = await getModels();
    byId("key-form").hidden = true;
    offer(models);
  } catch (problem) {
    if (problem instanceof Refusal && problem.needsKey) askForKey(apiKey() ? problem.message : "");
  }
}

let states = new Map<string, string>();
function offer(models: Model[]): void {
  const before = chooser.value || (sessionStorage.getItem(CHOICE) ?? "");
  states = new Map(models.map((model) => [model.id, model.state]));
  chooser.replaceChildren(...models.map((model) => make("option", { value: model.id })));
  chooser.value = states.has(before) ? before : (models[0]?.id ?? "");
  chooser.disabled = false;
  showStates();
  monitor.watch(chosen());
}

/** Each model in the list with its state: of the one on the screen as known now, of the others as their last event says. */
function showStates(): void {
  for (const { model, to } of monitor.latest?.status.events ?? []) if (states.has(model)) states.set(model, to);
  for (const option of chooser.options) {
    const state = states.get(option.value);
    const name = option.value || "default";
    setText(option, !state || state === "READY" ? name : `${name} (${state})`);
  }
}

function askForKey(message: string): void {
  const first = byId("key-form").hidden;
  byId("key-form").hidden = false;
  setNote(byId("key-trouble"), message);
  if (first) byId("key").focus();
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setApiKey(byId<HTMLInputElement>("key").value.trim());
  void listModels();
});

chooser.addEventListener("change", () => {
  sessionStorage.setItem(CHOICE, chosen());
  monitor.watch(chosen());
  void listening.modelChanged();
});

byId("clear").addEventListener("click", () => {
  transcript.clear();
  byId("listen").focus();
});
byId("copy").addEventListener("click", () => void copy());

async function copy(): Promise<void> {
  const told = byId("copied");
  try {
    await navigator.clipboard.writeText(transcript.text());
    setText(told, "Copied.");
  } catch {
    // Only secure pages may write to the clipboard: then the text is marked, ready for the keyboard.
    getSelection()?.selectAllChildren(byId("finals"));
    setText(told, "Marked: press Ctrl+C.");
  }
  window.setTimeout(() => setText(told, ""), 3000);
}

monitor.look();
