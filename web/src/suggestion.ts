/** Which model suits this machine: asked for when somebody wants to know, for it may be measured then. */

import { getSuggestion, NoAnswer, Refusal, SuggestedModel, Suggestion } from "./api";
import { byId, make, setNote, setText } from "./dom";
import { longDuration, megabytes } from "./format";

/** "For many languages take small, for English only small.en." */
function advice({ multilingual, english }: Suggestion): string {
  if (!multilingual && !english) return "No model fits into the memory that is free.";
  const parts = [multilingual ? `for many languages take ${multilingual}` : "", english ? `for English only ${english}` : ""].filter(Boolean).join(", ");
  return `${parts[0]?.toUpperCase()}${parts.slice(1)}.`;
}

function verdict(model: SuggestedModel): string {
  if (!model.fits) return "too large for the memory";
  return model.live ? "live, files" : "files";
}

function row(model: SuggestedModel, best: boolean): HTMLElement {
  const name = make("th", { scope: "row", title: `${model.note}; ${megabytes(model.memory_bytes)} of memory` }, best ? make("b", {}, model.name) : model.name);
  if (model.state !== "available") name.append(make("span", { class: "here" }, " is here"));
  return make("tr", best ? { class: "best" } : {}, name, make("td", {}, longDuration(Math.max(1, Math.round(model.seconds_per_minute)))),
              make("td", { class: "words" }, verdict(model)));
}

export class Suggesting {
  private asking = false;

  constructor(private readonly askForKey: (message: string) => void) {
    const box = byId<HTMLDetailsElement>("suggestion");
    box.addEventListener("toggle", () => {
      if (box.open) void this.ask();
    });
  }

  private async ask(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    const words = byId("suggestion-words");
    if (!words.textContent) setText(words, "Measuring …");
    try {
      this.show(await getSuggestion());
    } catch (problem) {
      if (!(problem instanceof Refusal || problem instanceof NoAnswer)) throw problem;
      setText(words, problem.message);
      if (problem instanceof Refusal && problem.needsKey) this.askForKey("");
    } finally {
      this.asking = false;
    }
  }

  private show(suggestion: Suggestion): void {
    setText(byId("suggestion-words"), advice(suggestion));
    const best = [suggestion.multilingual, suggestion.english];
    byId("suggestion-rows").replaceChildren(...suggestion.models.map((each) => row(each, best.includes(each.name))));
    byId("suggestion-figures").hidden = suggestion.models.length === 0;
    setNote(byId("suggestion-how"), `A forecast, by what was measured here: ${suggestion.measured}. ${megabytes(suggestion.available_memory_bytes)} of memory are free. ` +
      "A model is got with hotmic pull NAME, and takes over with hotmic swap.");
  }
}
