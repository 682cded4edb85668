// The bridge that one writes first in Node: one `ws` socket to Twilio, one to the model, JSON in between.
import { WebSocket, WebSocketServer } from "ws";

const { PORT, MODEL_URL, OPENAI_API_KEY } = process.env;
const SESSION = {
  type: "realtime",
  instructions: "You answer the phone.",
  audio: {
    input: { format: { type: "audio/pcmu" }, turn_detection: { type: "server_vad" } },
    output: { format: { type: "audio/pcmu" }, voice: "ash" },
  },
};

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(PORT), perMessageDeflate: false });
server.on("connection", (phone) => {
  let model, streamSid, item, itemStartedMs, streamMs = 0, marks = [], marksMade = 0, early = [];

  const say = (socket, message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));

  const interrupt = () => {
    if (!marks.length) return;
    say(phone, { event: "clear", streamSid });
    say(model, {
      type: "conversation.item.truncate", item_id: item, content_index: 0,
      audio_end_ms: Math.max(0, streamMs - itemStartedMs),
    });
    marks = [];
  };

  const fromModel = (data) => {
    const event = JSON.parse(data);
    if (event.type === "response.output_audio.delta") {
      if (event.item_id !== item) [item, itemStartedMs] = [event.item_id, streamMs];
      say(phone, { event: "media", streamSid, media: { payload: event.delta } });
      const name = String(++marksMade);
      marks.push(name);
      say(phone, { event: "mark", streamSid, mark: { name } });
    } else if (event.type === "input_audio_buffer.speech_started") {
      interrupt();
    }
  };

  const dial = () => {
    model = new WebSocket(MODEL_URL, {
      headers: { Authorization: `Bearer ${OPENAI_API_KEY}` },
      perMessageDeflate: false,
    });
    model.on("open", () => {
      say(model, { type: "session.update", session: SESSION });
      say(model, { type: "response.create", response: { instructions: "Greet the caller." } });
      for (const audio of early) say(model, { type: "input_audio_buffer.append", audio });
      early = null;
    });
    model.on("message", fromModel);
    model.on("close", () => phone.close());
    model.on("error", () => phone.close());
  };

  phone.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.event === "media") {
      streamMs = Number(message.media.timestamp);
      if (early) early.push(message.media.payload);
      else say(model, { type: "input_audio_buffer.append", audio: message.media.payload });
    } else if (message.event === "start") {
      streamSid = message.start.streamSid;
      dial();
    } else if (message.event === "mark") {
      marks = marks.filter((name) => name !== message.mark.name);
    } else if (message.event === "stop") {
      phone.close();
    }
  });
  phone.on("close", () => model?.close());
  phone.on("error", () => phone.terminate());
});
