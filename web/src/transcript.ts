/** The text on the screen. What is still being said stands below what is settled, looks different, and is not read aloud. */

import { byId, make, setText } from "./dom";
import { timeOfDay } from "./format";

export class Transcript {
  private readonly finals = byId("finals");
  private readonly partials = byId("partials");
  private readonly scroller = byId("scroller");
  private readonly open = new Map<string, HTMLElement>();

  /** What is being said so far. */
  partial(item: string, text: string): void {
    this.keepingTheEnd(() => {
      let line = this.open.get(item);
      if (!line) {
        line = make("p", { class: "partial" }, make("span", { class: "words" }), make("span", { class: "dots", "aria-hidden": "true" }, " …"));
        this.open.set(item, line);
        this.partials.append(line);
      }
      setText(line.firstElementChild as Element, text);
    });
  }

  /** What was said: takes the partial's place. Silence leaves nothing. */
  final(item: string, text: string): void {
    this.keepingTheEnd(() => {
      this.forget(item);
      if (text.trim()) this.add("said", "", text.trim());
    });
  }

  /** No final will come: what there is of it is kept and marked. */
  breakOff(item: string): void {
    const words = this.open.get(item)?.firstElementChild?.textContent?.trim();
    this.keepingTheEnd(() => {
      this.forget(item);
      if (words) this.add("said broken", "", `${words} … (broken off)`);
    });
  }
  breakOffAll(): void {
    for (const item of [...this.open.keys()]) this.breakOff(item);
  }

  /** A line for a file; its text is set as it grows. */
  file(name: string): (text: string) => void {
    let words: HTMLElement | undefined;
    return (text) => this.keepingTheEnd(() => setText((words ??= this.add("file", name, "")), text.trim()));
  }

  text(): string {
    return [...this.finals.querySelectorAll(".words")].map((words) => words.textContent ?? "").join("\n");
  }

  clear(): void {
    this.finals.replaceChildren();
    this.update();
  }

  private forget(item: string): void {
    this.open.get(item)?.remove();
    this.open.delete(item);
  }

  private add(kind: string, label: string, text: string): HTMLElement {
    const now = new Date();
    const words = make("span", { class: "words" }, text);
    const line = make("li", { class: kind }, make("time", { datetime: now.toISOString() }, timeOfDay(now)));
    line.append(make("div", {}, ...(label ? [make("span", { class: "label" }, label)] : []), words));
    this.finals.append(line);
    return words;
  }

  /** Scrolls along, unless somebody is reading further up. */
  private keepingTheEnd(change: () => void): void {
    const { scroller } = this;
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40;
    change();
    this.update();
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  }

  private update(): void {
    const empty = this.finals.childElementCount === 0;
    byId("nothing-yet").hidden = !empty || this.open.size > 0;
    byId<HTMLButtonElement>("copy").disabled = empty;
    byId<HTMLButtonElement>("clear").disabled = empty;
  }
}
