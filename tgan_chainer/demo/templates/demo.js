const facts = JSON.parse(document.getElementById("facts").textContent);
const FRAMES_PER_SECOND = 8;
const STEPS = 16; // of a walk, as many as the slider has
const TICKS_PER_STEP = 3;
const AT_ONCE = 2; // frames computed before the page may move on
const KEPT = 120; // videos
const ON_THE_WALL = 16;

const byId = (id) => document.getElementById(id);
const pause = () => new Promise((resolve) => setTimeout(resolve));

// NumPy's RandomState, so that a seed means the video that the commands make with it.
class RandomState {
  constructor(seed) {
    this.key = new Uint32Array(624);
    this.position = 624;
    this.gauss = null;
    for (let i = 0; i < 624; i++) {
      this.key[i] = seed;
      seed = (Math.imul(1812433253, seed ^ (seed >>> 30)) + i + 1) >>> 0;
    }
  }
  bits() {
    const key = this.key;
    if (this.position === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (key[i] & 0x80000000) | (key[(i + 1) % 624] & 0x7fffffff);
        key[i] = key[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.position = 0;
    }
    let y = key[this.position++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }
  uniform() {
    const high = this.bits() >>> 5;
    return (high * 67108864 + (this.bits() >>> 6)) / 9007199254740992;
  }
  normal() {
    if (this.gauss !== null) {
      const kept = this.gauss;
      this.gauss = null;
      return kept;
    }
    let x, y, square;
    do {
      x = 2 * this.uniform() - 1;
      y = 2 * this.uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    this.gauss = factor * x;
    return factor * y;
  }
}

function drawZ0(seed) {
  const random = new RandomState(seed);
  const draw = facts.latent === "normal" ? () => random.normal() : () => 2 * random.uniform() - 1;
  return Float32Array.from({length: facts.k0}, draw);
}

const between = (a, b, share) => a.map((value, i) => (1 - share) * value + share * b[i]);

// The networks.
let ort;
const sessions = {};

async function unpack(id) {
  const element = byId(id);
  const packed = await fetch("data:;base64," + element.textContent);
  element.remove();
  const bytes = packed.body.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(bytes).arrayBuffer());
}

async function load() {
  const script = new Blob([await unpack("runtime-script")], {type: "text/javascript"});
  ort = await import(URL.createObjectURL(script));
  ort.env.wasm.numThreads = 1; // more need headers that only a server could send
  ort.env.wasm.wasmBinary = await unpack("runtime-wasm");
  for (const name of facts.networks) {
    sessions[name] = await ort.InferenceSession.create(await unpack(name));
  }
}

async function run(name, feeds) {
  const [output] = Object.values(await sessions[name].run(feeds));
  return output;
}

// z1 in steps of `factor`, linear between: (T, K1) to ((T - 1) factor + 1, K1).
function lengthen(z1, factor) {
  const [, t, k1] = z1.dims;
  const points = [];
  for (let i = 0; i <= (t - 1) * factor; i++) {
    const left = Math.floor(i / factor);
    const a = z1.data.subarray(left * k1, (left + 1) * k1);
    const b = left + 1 < t ? z1.data.subarray((left + 1) * k1, (left + 2) * k1) : a;
    points.push(between(a, b, i / factor - left));
  }
  return points;
}

// Make the frames of a video, Float32Arrays (C, H, W) in [-1, 1]; null if nobody wants them any more. `what` has
// the seeds `from` and `to`, `share`, the place between them, `label` and `factor`.
async function make(what, wanted = () => true) {
  const z0 = new ort.Tensor(between(drawZ0(what.from), drawZ0(what.to), what.share), [1, facts.k0]);
  const feeds = {z0};
  if (facts.labels) feeds.labels = new ort.Tensor("int64", BigInt64Array.of(BigInt(what.label)), [1]);
  const frames = [];
  if (!facts.trajectory) {
    split(await run("generator", feeds), frames);
    return frames;
  }
  const points = lengthen(await run("temporal_generator", feeds), what.factor);
  if (!facts.uses_z0) delete feeds.z0;
  for (let i = 0; i < points.length; i += AT_ONCE) {
    const some = points.slice(i, i + AT_ONCE);
    const z1 = new Float32Array(some.length * points[0].length);
    some.forEach((point, j) => z1.set(point, j * point.length));
    feeds.z1 = new ort.Tensor(z1, [1, some.length, points[0].length]);
    split(await run("image_generator", feeds), frames);
    await pause();
    if (!wanted()) return null;
  }
  return frames;
}

// Append the frames of videos, (1, C, T, H, W), to a list.
function split({data, dims: [, c, t, h, w]}, frames) {
  const size = h * w;
  for (let i = 0; i < t; i++) {
    const frame = new Float32Array(c * size);
    for (let j = 0; j < c; j++) frame.set(data.subarray((j * t + i) * size, (j * t + i + 1) * size), j * size);
    frames.push(frame);
  }
}

function toImage(frame) {
  const size = facts.size * facts.size;
  const image = new ImageData(facts.size, facts.size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < 3; j++) {
      // The array rounds and clips, as the commands do.
      image.data[4 * i + j] = 128 * frame[(facts.channels === 3 ? j * size : 0) + i] + 128;
    }
    image.data[4 * i + 3] = 255;
  }
  return image;
}

// What is shown, and the videos that were made for it.
const state = {from: 0, to: 1, step: 0, label: 0, factor: 1, wall: [], tick: 0, playing: true, walking: false};
const videos = new Map();
let shown = null; // the frames on the screen

const key = (what) => [what.from, what.to, what.share, what.label, what.factor].join();
const video = (what) => videos.get(key(what));

function spec(seed) {
  return {from: seed, to: seed, share: 0, label: state.label, factor: 1};
}

function place(step) {
  const factor = state.factor;
  if (step === 0) return {...spec(state.from), factor};
  if (step === STEPS) return {...spec(state.to), factor};
  return {...spec(state.from), to: state.to, share: step / STEPS, factor};
}

// All videos that the page wants, the most urgent first.
function wantedVideos() {
  const wanted = [place(state.step), spec(state.from), spec(state.to)];
  if (state.walking) {
    for (let step = state.step + 1; step <= STEPS; step++) wanted.push(place(step));
  }
  return [...wanted, ...state.wall.map(spec)];
}

async function work() {
  for (;;) {
    const wanted = wantedVideos();
    const next = wanted.find((what) => !video(what));
    if (!next) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      continue;
    }
    const frames = await alone(() => make(next, () => wantedVideos().some((what) => key(what) === key(next))));
    if (!frames) continue;
    videos.set(key(next), frames.map(toImage));
    const needed = new Set(wantedVideos().map(key));
    for (const old of videos.keys()) {
      if (videos.size > KEPT && !needed.has(old)) videos.delete(old);
    }
    show();
  }
}

// A network computes one thing at a time.
let queue = Promise.resolve();
function alone(task) {
  queue = queue.then(task, task);
  return queue;
}

function put(canvas, frames, number) {
  if (frames) canvas.getContext("2d").putImageData(frames[number % frames.length], 0, 0);
}

function show() {
  const ready = video(place(state.step));
  shown = ready ?? shown;
  if (shown || window.demo.ready) byId("status").textContent = ready ? "" : "making it up …";
  const now = shown ? state.tick % shown.length : 0;
  put(byId("screen"), shown, now);
  const number = now / state.factor; // of the frame, from 0
  [...byId("strip").children].forEach((button, i) => {
    put(button.firstChild, shown, i * (shown?.length > facts.frames ? state.factor : 1));
    button.classList.toggle("now", i === Math.floor(number));
  });
  put(byId("from"), video(spec(state.from)), state.tick);
  put(byId("to"), video(spec(state.to)), state.tick);
  [...byId("wall").children].forEach((button, i) => {
    put(button.firstChild, video(spec(state.wall[i])), state.tick);
    button.classList.toggle("target", state.wall[i] === state.to);
  });
  byId("step").value = state.step;
  byId("walk").disabled = state.walking;
  byId("play").classList.toggle("paused", !state.playing);
  byId("play").ariaLabel = state.playing ? "pause" : "play";
  for (const button of document.querySelectorAll("#factors button")) {
    button.ariaPressed = String(Number(button.dataset.factor) === state.factor);
  }
  byId("caption").textContent = caption(number);
  byId("command").textContent = command();
}

function caption(number) {
  const first = Math.floor(number) + 1;
  const frame = Number.isInteger(number) ? `frame ${first}` : `between frames ${first} and ${first + 1}`;
  const share = Math.round((100 * state.step) / STEPS);
  const where = state.step ? `${share} % from video ${state.from} to video ${state.to}` : `video ${state.from}`;
  return `${where} · ${frame} of ${facts.frames}`;
}

function command() {
  const label = facts.labels ? ` --label ${state.label}` : "";
  if (state.step && facts.trajectory) {
    return `tgan interpolate ${facts.source} --between ${state.from} ${state.to} --steps ${STEPS + 1}${label}`;
  }
  if (state.factor > 1) {
    return `tgan interpolate ${facts.source} --seed ${state.from} --num 1 --factor ${state.factor}${label} --out slow.gif`;
  }
  return `tgan generate ${facts.source} --seed ${state.from} --num 1${label} --out video.gif`;
}

function tick() {
  if (!state.playing || document.hidden) return;
  state.tick++;
  if (state.walking && state.tick % TICKS_PER_STEP === 0 && video(place(state.step + 1))) {
    state.step++;
    if (state.step === STEPS) arrive();
  }
  show();
}

function arrive() {
  const next = state.wall.indexOf(state.to) + 1;
  Object.assign(state, {from: state.to, step: 0, walking: false});
  state.to = state.wall[next % state.wall.length];
}

function walkTo(seed) {
  if (state.step > STEPS / 2) state.from = state.to; // from where the walk was nearly
  Object.assign(state, {to: seed, step: 0, factor: 1, walking: seed !== state.from, playing: true});
  show();
}

// Show the video of a seed, and those of the next seeds on the wall.
function showFrom(first) {
  const wall = Array.from({length: ON_THE_WALL}, (_, i) => first + 1 + i);
  Object.assign(state, {from: first, to: first + 1, step: 0, walking: false, wall, tick: 0});
  show();
}

function addCanvasButton(parent, label, onclick) {
  const button = document.createElement("button");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = facts.size;
  button.ariaLabel = label;
  button.onclick = onclick;
  button.append(canvas);
  parent.append(button);
}

function prepare() {
  for (let i = 0; i < facts.frames; i++) {
    addCanvasButton(byId("strip"), `frame ${i + 1}`, () => {
      Object.assign(state, {tick: i * state.factor, playing: false});
      show();
    });
  }
  for (let i = 0; i < ON_THE_WALL; i++) {
    addCanvasButton(byId("wall"), "walk to this video", () => {
      walkTo(state.wall[i]);
      byId("screen").scrollIntoView({behavior: "smooth", block: "nearest"});
    });
  }
  byId("new").onclick = () => showFrom(Math.floor(Math.random() * 1e6));
  byId("walk").onclick = () => walkTo(state.to);
  byId("play").onclick = () => {
    state.playing = !state.playing;
    show();
  };
  byId("step").oninput = (event) => {
    Object.assign(state, {step: Number(event.target.value), walking: false});
    show();
  };
  byId("factors")?.addEventListener("click", (event) => {
    if (!event.target.dataset.factor) return;
    Object.assign(state, {factor: Number(event.target.dataset.factor), tick: 0, walking: false, playing: true});
    show();
  });
  byId("label")?.addEventListener("change", (event) => {
    state.label = Number(event.target.value);
    show();
  });
  state.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  showFrom(0);
}

// For the console, and tests: demo.make({from, to, share, label, factor}) resolves to frames.
window.demo = {make: (what) => alone(() => make(what)), state};
prepare();
try {
  await load();
  setInterval(tick, 1000 / FRAMES_PER_SECOND);
  window.demo.ready = true;
  await work();
} catch (error) {
  byId("status").textContent = `This browser cannot run the networks: ${error.message}`;
  throw error;
}
