// The official `openai` package, unmodified, pointed at a hotmic: does everything an application does with it, and prints what it got
// as one JSON object for test_openai_npm.py to look at.
//
// usage: node client.mjs BASE_URL TLS_BASE_URL CLIP GERMAN_CLIP PCM16_24KHZ KEY
import fs from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";

const [baseURL, clip, germanClip, pcm, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const got = {};

function transcribe(fields, of = client) {
  return of.audio.transcriptions.create({ file: fs.createReadStream(clip), model: "whisper-1", ...fields });
}

/** What the promise throws: the SDK's class, HTTP status, code and parameter. */
async function failure(promise) {
  try {
    await promise;
    return { name: "nothing" };
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, param: error.param, message: error.message };
  }
}

got.models = (await client.models.list()).data;
got.model = await client.models.retrieve(got.models[0].id);
for (const format of ["json", "text", "srt", "vtt", "verbose_json"]) got[format] = await transcribe({ response_format: format });
got.words = await transcribe({ response_format: "verbose_json", timestamp_granularities: ["word"] });
const translate = (fields) => client.audio.translations.create({ file: fs.createReadStream(germanClip), ...fields });
got.translated = await translate({ model: "german" });
got.translated_verbose = await translate({ model: "german", response_format: "verbose_json" });
got.logprobs = await transcribe({ include: ["logprobs"] });

got.streamed = [];
for await (const event of await transcribe({ stream: true })) got.streamed.push(event);

got.errors = {
  key: await failure(transcribe({}, new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 }))),
  model: await failure(client.models.retrieve("nobody")),
  format: await failure(transcribe({ response_format: "xml" })),
  language: await failure(transcribe({ language: "klingon" })),
  audio: await failure(transcribe({ file: new File(["this is not audio"], "no.wav") })),
  translation: await failure(translate({ model: "whisper-1" })),
};

// As in a browser: the key travels as a subprotocol, and the server must choose one of those offered. The package speaks TLS only.
function live(key) {
  return new OpenAIRealtimeWebSocket({ model: "gpt-realtime" }, new OpenAI({ baseURL: baseURL, apiKey: key }));
}
const realtime = live(apiKey);
got.realtime = await new Promise((resolve, reject) => {
  const events = [];
  setTimeout(() => reject(new Error("no transcript: " + JSON.stringify(events))), 60_000).unref();
  realtime.on("error", reject);
  realtime.on("event", (event) => {
    events.push(event.type);
    if (event.type !== "conversation.item.input_audio_transcription.completed") return;
    resolve({ protocol: realtime.socket.protocol, transcript: event.transcript, events });
    realtime.close();
  });
  realtime.on("session.created", () => {
    realtime.send({
      type: "session.update",
      session: {
        type: "transcription",
        audio: {
          input: {
            format: { type: "audio/pcm", rate: 24000 },
            transcription: { model: "whisper-1" },
            turn_detection: { type: "server_vad" },
          },
        },
      },
    });
    const samples = fs.readFileSync(pcm);
    for (let at = 0; at < samples.length; at += 4800) {
      realtime.send({ type: "input_audio_buffer.append", audio: samples.subarray(at, at + 4800).toString("base64") });
    }
  });
});

got.errors.realtime = await new Promise((resolve) => {
  live("wrong").on("error", (error) => resolve({ name: error.constructor.name, code: error.error?.code, message: error.message }));
});

console.log(JSON.stringify(got));
