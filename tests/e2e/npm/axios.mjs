// `axios`, with and without `form-data`, as programs in Node send files: prints what it got as one JSON object for test_real_clients.py.
//
// usage: node axios.mjs BASE_URL CLIP
import fs from "node:fs";
import axios from "axios";
import FormData from "form-data";

const [baseURL, clip] = process.argv.slice(2);
const client = axios.create({ baseURL, maxRedirects: 0 });
const got = {};

function form(file, fields = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file, "clip.flac");
  return form;
}

async function transcribe(form, config = {}) {
  return client.post("/v1/audio/transcriptions", form, config);
}

async function failure(promise) {
  try {
    return { status: (await promise).status };
  } catch (error) {
    return { status: error.response?.status, code: error.response?.data.error?.code ?? error.code, message: error.response?.data.error?.message };
  }
}

got.buffer = (await transcribe(form(fs.readFileSync(clip)))).data;
got.stream = (await transcribe(form(fs.createReadStream(clip), { model: "whisper-1", response_format: "verbose_json" }))).data; // chunked: of no known length
const native = new globalThis.FormData();
native.append("response_format", "text");
native.append("file", new File([fs.readFileSync(clip)], "clip.flac", { type: "audio/flac" }));
got.native = (await transcribe(native)).data;
got.object = (await client.postForm("/v1/audio/transcriptions", { file: fs.createReadStream(clip), response_format: "json", timestamp_granularities: ["segment"] })).data;

const events = await transcribe(form(fs.createReadStream(clip), { stream: "true" }), { responseType: "stream" });
got.type = events.headers["content-type"];
got.events = "";
for await (const part of events.data) got.events += part;

got.errors = {
  field: await failure(transcribe(form(fs.readFileSync(clip), { response_format: "xml" }))),
  method: await failure(client.get("/v1/audio/transcriptions")),
  large: await failure(transcribe(form(Buffer.alloc(4_000_000)))),
};
console.log(JSON.stringify(got));
