"use strict";
// The lesion viewer. Where the browser has no WebGL 2, or cannot unpack the library, the still image
// stays in its place.
(async () => {
  const holder = document.querySelector("#viewer");
  if (!holder) return;
  const hasWebGL = () => {
    try {
      return Boolean(document.createElement("canvas").getContext("webgl2"));
    } catch {
      return false;
    }
  };
  if (!hasWebGL() || typeof DecompressionStream === "undefined") return;

  const unpack = async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const loadLibrary = async () => {
    const script = document.createElement("script");
    script.textContent = await unpack(document.querySelector("#viewer-library").textContent);
    document.head.append(script);
  };

  const scene = JSON.parse(document.querySelector("#viewer-data").textContent);
  const canvas = holder.querySelector("canvas");
  const place = holder.querySelector(".place");
  const rows = [...document.querySelectorAll("#viewer-lesions tbody tr")];
  const load = (base64, name, options) =>
    niivue.NVImage.loadFromBase64({ base64, name: `${name}.nii.gz`, ...options });

  // The lesion at the crosshair is named and lit in the list, however the crosshair came there.
  const follow = (location) => {
    const number = Math.round(location.values.at(-1)?.value ?? 0);
    const [x, y, z] = [...location.mm].slice(0, 3).map((mm) => mm.toFixed(0).replace("-", "\u2212"));
    // Numbers are of all sessions together.
    const found = rows.find((row) => Number(row.dataset.number) === number);
    const said = found ? [...found.cells].slice(0, 2).map((cell) => cell.textContent).join(", ") : "";
    place.textContent = `x ${x}, y ${y}, z ${z} mm: ${said ? `lesion ${said}` : "no lesion"}.`;
    for (const row of rows) row.classList.toggle("chosen", row === found);
    if (found) {
      const list = found.closest(".scroll");
      const away = found.offsetTop - list.scrollTop;
      if (away < 40 || away > list.clientHeight - 40) list.scrollTop = found.offsetTop - list.clientHeight / 2;
    }
  };

  const start = async () => {
    await loadLibrary();
    holder.classList.add("drawn");
    const view = new niivue.Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [1, 1, 1, 0.6],
      crosshairWidth: 0.4,
      logLevel: "error",
      show3Dcrosshair: true,
      multiplanarForceRender: false,
      isColorbar: false,
    });
    await view.attachToCanvas(canvas);
    view.onLocationChange = follow;
    return view;
  };
  const show = async (view, { session, name }) => {
    const { maps, lesions: labels } = scene.sessions[session];
    // A map may be missing in a session.
    const map = maps.find((one) => one.name === name) ?? maps[0];
    const at = view.volumes.length ? view.frac2mm(view.scene.crosshairPos) : null;
    while (view.volumes.length) view.removeVolumeByIndex(0);
    view.addVolume(await load(map.image, "map", { colormap: "gray", cal_min: 0, cal_max: 255 }));
    const lesions = await load(labels, "lesions", { opacity: 1 });
    lesions.setColormapLabel(scene.colours);
    view.addVolume(lesions);
    view.setSliceType(view.sliceTypeMultiplanar);
    view.setInterpolation(true);
    if (at) view.scene.crosshairPos = view.mm2frac(at);
    view.drawScene();
    for (const row of rows) row.hidden = Number(row.dataset.session) !== session;
    holder.querySelector(".count").textContent = rows.filter((row) => !row.hidden).length;
    holder.querySelector(".who").textContent = scene.sessions[session].name;
    canvas.setAttribute("aria-label", holder.querySelector("figcaption strong").textContent);
    holder.querySelector(".low").textContent = `${map.name}: ${map.low}`;
    holder.querySelector(".high").textContent = map.high;
  };
  const outline = (view, contours) => {
    // An overlay of no opacity at all would have no outline either.
    view.setOpacity(1, contours ? 0.01 : 0.55);
    view.setAtlasOutline(contours ? 1 : 0);
  };

  let view;
  let contours = true;
  let shown = { session: 0, name: scene.sessions[0].maps[0].name };
  try {
    view = await start();
    await show(view, shown);
    outline(view, contours);
  } catch {
    holder.classList.remove("drawn");
    return;
  }
  canvas.setAttribute("role", "application");
  holder.dataset.ready = "true";

  // The wheel scrolls the page until the image has been chosen.
  canvas.parentElement.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas) event.stopPropagation();
  }, { capture: true, passive: true });
  canvas.addEventListener("mousedown", () => canvas.focus({ preventScroll: true }));
  canvas.addEventListener("keydown", (event) => event.key === "Escape" && canvas.blur());

  const tools = holder.querySelector(".tools");
  const addButton = (text, pressed, click) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = text;
    button.setAttribute("aria-pressed", pressed);
    button.addEventListener("click", () => click(button));
    tools.append(button);
    return button;
  };
  // One of several is pressed: a map, a session.
  const addChoice = (names, choice) => {
    const buttons = names.length < 2 ? [] : names.map((name, index) =>
      addButton(name, index === 0, async (button) => {
        shown = { ...shown, ...choice(index) };
        for (const other of buttons) other.setAttribute("aria-pressed", other === button);
        await show(view, shown);
        outline(view, contours);
        view.createOnLocationChange();
      }));
  };
  const names = [...new Set(scene.sessions.flatMap((one) => one.maps.map((map) => map.name)))];
  addChoice(scene.sessions.map((one) => one.name), (index) => ({ session: index }));
  addChoice(names, (index) => ({ name: names[index] }));
  addButton("Filled lesions", false, (button) => {
    contours = !contours;
    button.setAttribute("aria-pressed", !contours);
    outline(view, contours);
  });

  const go = (row) => {
    const mm = ["x", "y", "z"].map((axis) => Number(row.dataset[axis]));
    view.scene.crosshairPos = view.mm2frac(mm);
    view.drawScene();
    view.createOnLocationChange();
  };
  // The middle of the brain need not show any lesion; the first of the list is the largest.
  if (rows.length) go(rows[0]);
  for (const row of rows) {
    const head = row.cells[0];
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.setAttribute("aria-label", `Show lesion ${head.textContent}`);
    head.replaceChildren(button);
    row.addEventListener("click", () => go(row));
  }
})();
