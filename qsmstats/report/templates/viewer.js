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
  const status = holder.querySelector("[role=status]");
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
    const load = (base64, name, options) =>
      niivue.NVImage.loadFromBase64({ base64, name: `${name}.nii.gz`, ...options });
    view.addVolume(await load(scene.map, "map", { colormap: "gray", cal_min: 0, cal_max: 255 }));
    const lesions = await load(scene.lesions, "lesions", { opacity: 0.55 });
    lesions.setColormapLabel(scene.colours);
    view.addVolume(lesions);
    view.setSliceType(view.sliceTypeMultiplanar);
    view.setInterpolation(true);
    return view;
  };

  let view;
  try {
    view = await start();
  } catch {
    holder.classList.remove("drawn");
    return;
  }
  holder.dataset.ready = "true";
  const centre = (row) => {
    const place = ["x", "y", "z"].map((axis) => Number(row.dataset[axis]));
    view.scene.crosshairPos = view.mm2frac(place);
    view.drawScene();
  };
  const go = (row) => {
    centre(row);
    const said = [...row.cells].slice(0, 2).map((cell) => cell.textContent).join(", ");
    status.textContent = `Crosshair at lesion ${said}.`;
    for (const other of row.parentElement.rows) other.classList.toggle("chosen", other === row);
  };
  // The middle of the brain need not show any lesion; the first of the list is the largest.
  const largest = document.querySelector("#viewer-lesions tbody tr");
  if (largest) centre(largest);
  for (const row of document.querySelectorAll("#viewer-lesions tbody tr")) {
    const head = row.cells[0];
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.setAttribute("aria-label", `Show lesion ${head.textContent}`);
    head.replaceChildren(button);
    row.addEventListener("click", () => go(row));
  }
})();
