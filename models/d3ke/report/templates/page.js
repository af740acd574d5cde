// The page: decodes a clip and ties its video, skeleton, curves and controls together.

const find = (id) => document.getElementById(id);
const TABLES = ["points", "values", "spread", "reference"];

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function decoded(number) {
  const clip = JSON.parse(find(`clip-${number}`).textContent);
  for (const name of TABLES) {
    if (clip[name] !== null) clip[name] = new Float32Array(bytes(clip[name]).buffer);
  }
  clip.pointCount = clip.points.length / 3 / clip.time.length;
  clip.columns = clip.values.length / clip.time.length;
  return clip;
}

const video = find("video"), slider = find("slider"), now = find("now"), play = find("play");
const skeleton = new Skeleton(find("skeleton"));
const player = new Player(video, (index) => show(index));
const curves = new Curves(find("curves"), (time) => player.seekTime(time));
let clip = null, url = null;

function show(index) {
  const time = `${clip.time[index].toFixed(2)} s`;
  skeleton.draw(index);
  curves.draw(index);
  slider.value = index;
  slider.setAttribute("aria-valuetext", time);
  now.textContent = time;
}

// A blob, not a data: address, lets the browser seek in the video without decoding it again.
function videoOf(number) {
  const text = find(`video-${number}`);
  if (url) URL.revokeObjectURL(url);
  url = text ? URL.createObjectURL(new Blob([bytes(text.textContent)], { type: "video/mp4" })) : null;
  return url;
}

function withoutVideo(reason) {
  video.hidden = true;
  find("no-video").hidden = false;
  find("no-video").textContent = reason;
}

function choose(number) {
  clip = decoded(number);
  for (const notes of document.querySelectorAll(".notes")) notes.hidden = Number(notes.dataset.clip) !== number;
  for (const choice of document.querySelectorAll(".choice")) choice.setAttribute("aria-pressed", Number(choice.dataset.clip) === number);
  slider.max = clip.time.length - 1;
  const address = videoOf(number);
  video.hidden = !address;
  find("no-video").hidden = Boolean(address);
  if (!address) withoutVideo("no video");
  skeleton.load(clip);
  curves.load(clip);
  player.load(clip.time, address);
}

video.addEventListener("loadedmetadata", () => {
  document.querySelector(".views").classList.toggle("upright", video.videoHeight > video.videoWidth);
});
video.addEventListener("error", () => {
  if (!url) return;
  withoutVideo("This browser cannot play H.264 video; the skeleton and the curves work without it.");
  player.load(clip.time, null);
});
player.changed = () => {
  play.innerHTML = player.playing ? "&#10074;&#10074;" : "&#9654;";
  play.setAttribute("aria-label", player.playing ? "Pause" : "Play");
};
play.addEventListener("click", () => player.toggle());
video.addEventListener("click", () => player.toggle());
slider.addEventListener("input", () => player.seek(Number(slider.value)));
find("speed").addEventListener("change", (event) => player.setSpeed(Number(event.target.value)));
for (const button of document.querySelectorAll("[data-look]")) button.addEventListener("click", () => skeleton.look(button.dataset.look));
for (const choice of document.querySelectorAll(".choice")) choice.addEventListener("click", () => choose(Number(choice.dataset.clip)));

document.addEventListener("keydown", (event) => {
  const at = event.target.tagName;
  if (event.ctrlKey || event.metaKey || event.altKey || at === "SELECT") return;
  const ways = {
    ArrowLeft: () => player.seek(player.index - 1),
    ArrowRight: () => player.seek(player.index + 1),
    Home: () => player.seek(0),
    End: () => player.seek(clip.time.length - 1),
    " ": () => player.toggle(),
  };
  if (event.key === " " && (at === "BUTTON" || at === "SUMMARY")) return;  // it presses what it is on
  if (!(event.key in ways)) return;
  event.preventDefault();
  ways[event.key]();
});

choose(0);
