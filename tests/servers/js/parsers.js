// One of the reference parsers, by the name it has in package.json. Each line on standard input is a list of jobs as
// JSON, each line on standard output the list of their results, in order; it ends when standard input closes.
//
// A job is `{"read": input}` or `{"write": message}`. Bytes stand as `["base64"]` wherever a text could stand.
// * input: `{"frames": [text or bytes, …]}`, messages of one connection, or `{"body": bytes, "octets": truth}`, the body
//   of a polling request, whose content type says bytes or text;
// * a result of reading: a step for each frame, or for each packet of a body, up to and including the first error. A
//   step is null (nothing yet), a string (why it was refused), or `{kind, namespace, id, data}`, as far as there are;
// * message: `{"kind", "namespace", "id", "data"}` or `{"packets": [{kind, data}, …], "form": "frame", "text" or "octets"}`;
//   `data` are values, see `value`;
// * a result of writing: an input.
"use strict";

const readline = require("node:readline");

const name = process.argv[2];
const parser = require(name);
const isOld = name === "socket.io-parser-3.4" || name === "engine.io-parser-2.2";

const bytes = (data) => Buffer.from(data[0], "base64");
const content = (data) => (typeof data === "string" ? data : bytes(data));
const sent = (data) => (typeof data === "string" ? data : [Buffer.from(data).toString("base64")]);

// A value with its type in front, because JSON has no bytes: `{"b": base64}`, `{"a": [value, …]}`,
// `{"o": [[key, value], …]}`; anything else is itself.
function value(tagged) {
  if (tagged === null || typeof tagged !== "object") return tagged;
  if (tagged.b !== undefined) return Buffer.from(tagged.b, "base64");
  if (tagged.a !== undefined) return tagged.a.map(value);
  return Object.fromEntries(tagged.o.map(([key, v]) => [key, value(v)]));
}

const double = new DataView(new ArrayBuffer(8));

// A number to the last bit.
function number(n) {
  if (Number.isSafeInteger(n) && !Object.is(n, -0)) return String(n);
  double.setFloat64(0, n);
  return "0x" + double.getBigUint64(0).toString(16).padStart(16, "0");
}

// A value as a text that equal values have in common, whatever the order of their keys.
function canonical(value, depth = 0) {
  if (depth > 200) return "…";
  if (value === undefined) return "undefined";
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (Buffer.isBuffer(value)) return `<${value.toString("hex")}>`;
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(",")}]`;
  if (typeof value !== "object") return typeof value;
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonical(value[key], depth + 1)}`).join(",")}}`;
}

const KINDS = ["connect", "disconnect", "event", "ack", "error", "event", "ack"];

const socket = {
  read({ frames }) {
    const decoder = new parser.Decoder();
    const steps = [];
    let step;
    decoder.on("decoded", ({ type, nsp, id, data }) => {
      step = {
        kind: KINDS[type],
        namespace: nsp,
        id: id === undefined ? undefined : number(id),
        data: data === undefined ? undefined : canonical(data),
      };
    });
    for (const frame of frames) {
      step = null;
      try {
        decoder.add(content(frame));
      } catch (error) {
        steps.push(String(error.message));
        break;
      }
      steps.push(step);
    }
    return steps;
  },

  write({ kind, namespace: nsp, id, data, attachments }) {
    let type = KINDS.indexOf(kind);
    const packet = { type, nsp };
    if (id !== undefined) packet.id = id;
    if (data !== undefined) packet.data = value(data);
    // The old one is told by its user whether there are bytes in it.
    if (isOld && attachments > 0) packet.type = type + 3;
    let frames;
    if (isOld) new parser.Encoder().encode(packet, (encoded) => (frames = encoded));
    else frames = new parser.Encoder().encode(packet);
    return { frames: frames.map(sent) };
  },
};

const PARSE_ERROR = "parser error";

const engine = {
  read({ frames, body, octets }) {
    if (frames) return untilError(frames.map((frame) => parser.decodePacket(content(frame))));
    // Revision 4 knows no bodies but text.
    if (!isOld) return untilError(parser.decodePayload(bytes(body).toString()));
    const data = octets ? bytes(body) : bytes(body).toString();
    const packets = [];
    parser.decodePayload(data, (packet) => {
      packets.push(packet);
      return packet.type !== "error";
    });
    return untilError(packets);
  },

  write({ packets, form }) {
    const given = packets.map(({ kind: type, data }) => {
      const packet = { type };
      if (data !== undefined) packet.data = content(data);
      return packet;
    });
    let written;
    const done = (encoded) => (written = encoded);
    if (form === "frame") {
      const frames = given.map((packet) => {
        parser.encodePacket(packet, true, done);
        return sent(written);
      });
      return { frames };
    }
    if (isOld) parser.encodePayload(given, form === "octets", done);
    else parser.encodePayload(given, done);
    return { body: [Buffer.from(written).toString("base64")], octets: typeof written !== "string" };
  },
};

// Everybody who uses them ends the connection at the first error.
function untilError(packets) {
  const steps = [];
  for (const { type, data } of packets) {
    if (type === "error") {
      steps.push(PARSE_ERROR);
      break;
    }
    steps.push({ kind: String(type), data: data === undefined ? undefined : canonical(data) });
  }
  return steps;
}

const { read, write } = name.startsWith("socket") ? socket : engine;

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const results = JSON.parse(line).map((job) => (job.read ? read(job.read) : write(job.write)));
  process.stdout.write(JSON.stringify(results) + "\n");
});
