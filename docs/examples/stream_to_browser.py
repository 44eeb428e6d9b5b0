"""A web page on which a long answer appears: its skeleton first, then its points, each in its place.

    pip install "lingua-rag[openai]" fastapi uvicorn
    python stream_to_browser.py            # then open http://127.0.0.1:8000

With OPENAI_API_KEY in the environment, OpenAI writes (MODEL names the model, OPENAI_BASE_URL another server).
Without, a scripted model replays an answer, and the page says so. Closing the page ends all calls.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import aclosing

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse

from lingua_core import Document
from lingua_core.llms import OpenAIChat, ScriptedLLM, WrittenAnswer
from lingua_core.skeleton import AnswerDone, Event, PointDelta, RouteChosen, SkeletonOfThought, SkeletonReady
from lingua_core.skeleton.summary import answer_summary

DOCUMENTS = [
    Document("People who work at home save about an hour of travel a day.", id="travel", title="Travel"),
    Document("Noise is what workers in open-plan offices complain of most.", id="noise", title="Noise"),
    Document("Those who never meet their colleagues feel lonely.", id="alone", title="Loneliness"),
]
SCRIPT = WrittenAnswer(
    points=(
        ("No commute", "About an hour a day is won, which is spent on sleep, on children or on work [1]."),
        ("Quiet", "Nobody talks at the next desk; what needs thought gets done [2]."),
        ("Company", "Colleagues are missed, so days in the office should be shared days [3]."),
    )
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Lingua</title>
<style>
  body { font: 17px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }
  input { font: inherit; width: 100%; padding: .5rem; box-sizing: border-box }
  li { margin: .6rem 0 } li > b { display: block } .note { color: #777 } .waiting > b { color: #aaa }
</style>
<h1>Ask for a long answer</h1>
<p class="note" id="model"></p>
<form><input name="question" aria-label="Question" required></form>
<p class="note" id="route"></p>
<div id="direct" style="white-space: pre-wrap"></div>
<ol id="points"></ol>
<h2 hidden>Sources</h2>
<ul id="sources"></ul>
<p class="note" id="end"></p>
<script>
const at = id => document.getElementById(id);
const add = (parent, tag, text) => {
  const made = document.createElement(tag);
  made.textContent = text;            // never innerHTML: what models write is not to be trusted
  return parent.appendChild(made);
};
let source;
function ask(question) {
  if (source) source.close();
  for (const id of ["direct", "points", "sources", "route", "end"]) at(id).replaceChildren();
  document.querySelector("h2").hidden = true;
  source = new EventSource("/answer?question=" + encodeURIComponent(question));
  const on = (kind, act) => source.addEventListener(kind, event => act(JSON.parse(event.data)));
  on("route", data => { at("route").textContent = data.reason });
  on("skeleton", data => {
    for (const point of data.points) {
      const item = add(at("points"), "li", "");
      item.className = "waiting";
      add(item, "b", point);
      add(item, "span", "");
    }
  });
  on("text", data => {
    const item = data.index ? at("points").children[data.index - 1] : null;
    if (item) item.className = "";
    (item ? item.querySelector("span") : at("direct")).append(data.text);
  });
  on("done", data => {
    source.close();
    document.querySelector("h2").hidden = !data.citations.length;
    for (const found of data.citations) {
      add(at("sources"), "li", `[${found.number}] ${found.title ?? found.id}`);
    }
    at("end").textContent = `${data.usage.calls} calls, ${data.timings.total.toFixed(1)} s`;
    document.title = "answered";
  });
  on("failure", data => { source.close(); at("end").textContent = data.message });
}
document.forms[0].addEventListener("submit", event => {
  event.preventDefault();
  ask(new FormData(event.target).get("question"));
});
fetch("/model").then(reply => reply.json()).then(model => { at("model").textContent = model });
const asked = new URLSearchParams(location.search).get("question");
if (asked) { document.forms[0].question.value = asked; ask(asked) }
</script>
</html>
"""


def make_engine() -> tuple[SkeletonOfThought, str]:
    """The engine, and what the page says of its model."""
    if os.environ.get("OPENAI_API_KEY"):
        name = os.environ.get("MODEL", "gpt-4.1-mini")
        return SkeletonOfThought(OpenAIChat(name), style="plain"), f"{name} writes."
    llm = ScriptedLLM(SCRIPT, first_token_seconds=0.3, token_seconds=0.03)
    note = "No key is set: a scripted model replays one answer, whatever the question."
    return SkeletonOfThought(llm, router="always", style="plain"), note


def as_event(event: Event) -> str:
    """An event of the answer as a server-sent event."""
    match event:
        case RouteChosen():
            kind, data = "route", {"reason": event.decision.reason}
        case SkeletonReady():
            kind, data = "skeleton", {"points": [point.text for point in event.skeleton.points]}
        case PointDelta():
            kind, data = "text", {"index": event.index, "text": event.text}
        case AnswerDone():
            kind, data = "done", answer_summary(event.answer)
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def make_app() -> FastAPI:
    """The application."""
    app = FastAPI()
    engine, note = make_engine()

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        return PAGE

    @app.get("/model")
    async def model() -> str:
        return note

    @app.get("/answer")
    async def answer(question: str) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            try:
                async with aclosing(engine.astream(question, documents=DOCUMENTS)) as found:
                    async for event in found:
                        yield as_event(event)
            except Exception as error:
                # The page is told, and the server's log has it all.
                yield f"event: failure\ndata: {json.dumps({'message': str(error)})}\n\n"
                raise

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(make_app(), host="127.0.0.1", port=8000)
