// Each picture is sent the moment it is chosen, ahead of the text, and the form only names it. Without this it comes with the form.
"use strict";

const box = document.getElementById("picture");
if (box) {
  const form = box.closest("form");
  const list = box.querySelector("ol");
  const chooser = box.querySelector("input[type=file]");
  const strings = JSON.parse(box.dataset.strings);
  const status = box.querySelector("[role=status]");
  const most = Number(box.dataset.most);
  const WIDEST = 1920; // pixels: the server keeps none that is wider
  const names = ["picture", "alt", "credit"];
  const underWay = new Set();
  let number = 0;
  let waiting = null; // the button that was pressed while a picture was under way

  // The form says it in three fields, a line for each picture; what stands in the rows is written there.
  const fields = names.map((name) => Object.assign(document.createElement("input"), { type: "hidden", name }));
  const inputs = (row) => names.map((name) => row.querySelector(`[data-name=${name}]`));
  const rows = () => [...list.children].filter((row) => inputs(row)[0].value);

  function write() {
    names.forEach((_, n) => (fields[n].value = rows().map((row) => inputs(row)[n].value).join("\n")));
    list.querySelectorAll("[data-name=first]").forEach((radio, n) => (radio.checked = n === 0));
  }

  function changed() {
    write();
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function adopt(row) {
    number += 1;
    for (const input of row.querySelectorAll("input")) {
      input.dataset.name = input.name;
      input.removeAttribute("name");
      if (!input.id) continue;
      const label = row.querySelector(`label[for="${input.id}"]`);
      label.htmlFor = input.id = `${input.dataset.name}-of-${number}`;
    }
    row.querySelector("[data-name=first]").addEventListener("change", () => {
      list.prepend(row);
      row.querySelector("[data-name=first]").focus();
      changed();
    });
    row.querySelector("[data-name=drop]").addEventListener("change", () => {
      underWay.delete(row);
      row.dispatchEvent(new Event("gone"));
      row.remove();
      chooser.focus();
      changed();
      goOn();
    });
    return row;
  }

  function add(values = ["", "", ""]) {
    const row = adopt(box.querySelector("template").content.firstElementChild.cloneNode(true));
    inputs(row).forEach((input, n) => (input.value = values[n]));
    if (values[0]) row.querySelector("img").src = `/desk/pictures/${values[0]}`;
    list.append(row);
    return row;
  }

  // Whoever fills the three fields, as a kept text does, finds the rows made anew.
  form.addEventListener("input", (event) => {
    if (box.contains(event.target) || underWay.size) return;
    const wanted = fields.map((field) => field.value.replaceAll("\r\n", "\n"));
    if (names.every((_, n) => wanted[n] === rows().map((row) => inputs(row)[n].value).join("\n"))) return;
    list.replaceChildren();
    const [pictures, alts, credits] = wanted.map((value) => value.split("\n"));
    pictures.forEach((picture, n) => picture && add([picture, alts[n] ?? "", credits[n] ?? ""]));
    write();
  });

  // A camera's picture is sent no larger than it is kept: a phone at the scene has a slow line.
  async function smaller(file) {
    if (file.size < 500000 || /png|gif|svg/.test(file.type)) return file;
    try {
      const image = await createImageBitmap(file);
      const scale = Math.min(1, WIDEST / image.width, (2 * WIDEST) / image.height);
      const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(image.width * scale), height: Math.round(image.height * scale) });
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      image.close();
      const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
      return blob && blob.size < file.size ? blob : file;
    } catch {
      return file; // the server says what it takes
    }
  }

  async function send(file) {
    if (list.children.length >= most) return say(strings.most.replace("{number}", most));
    const row = add();
    const alt = inputs(row)[1];
    const hint = row.querySelector(`label[for="${alt.id}"] .hint`);
    const bar = Object.assign(document.createElement("progress"), { max: 1, value: 0 });
    const uploading = strings.uploading.replace("{file}", file.name);
    bar.setAttribute("aria-label", uploading);
    row.querySelector(".form").prepend(bar);
    hint.textContent = uploading;
    underWay.add(row);
    alt.focus();
    const request = new XMLHttpRequest();
    row.addEventListener("gone", () => request.abort());
    const body = new FormData();
    body.append("csrf_token", form.elements.csrf_token.value);
    body.append("file", await smaller(file), file.name || "picture");
    if (!underWay.has(row)) return undefined; // removed meanwhile
    request.upload.addEventListener("progress", (event) => event.lengthComputable && (bar.value = event.loaded / event.total));
    request.addEventListener("loadend", () => {
      if (underWay.delete(row)) arrived(row, hint, file, request);
    });
    request.open("POST", "/desk/pictures");
    request.responseType = "json";
    request.send(body);
    return undefined;
  }

  function arrived(row, hint, file, request) {
    row.querySelector("progress").remove();
    const picture = request.response?.picture;
    if (!picture || rows().some((other) => inputs(other)[0].value === picture)) {
      row.remove();
      waiting = null;
      say(picture ? strings.already.replace("{file}", file.name) : `${strings.failed.replace("{file}", file.name)} ${problem(request)}`);
      return;
    }
    inputs(row)[0].value = picture;
    row.querySelector("img").src = `/desk/pictures/${picture}`;
    hint.textContent = strings.uploaded.replace("{file}", file.name);
    changed();
    goOn();
  }

  function problem(request) {
    const why = { 0: strings.unreachable, 400: strings.reload, 401: strings.loggedOut, 408: strings.slow, 413: strings.tooLarge };
    return request.response?.problem ?? why[request.status] ?? strings.serverError;
  }

  function say(words) {
    status.textContent = words;
  }

  function goOn() {
    if (waiting && !underWay.size) {
      const button = waiting;
      waiting = null;
      say("");
      form.requestSubmit(button);
    }
  }

  // What is posted while a picture is under way waits for it, or for its being removed.
  form.addEventListener(
    "submit",
    (event) => {
      if (!underWay.size) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      waiting = event.submitter;
      say(strings.waiting);
    },
    true,
  );

  const pictures = (files) => [...files].filter((file) => file.type.startsWith("image/") || !file.type);
  chooser.addEventListener("change", () => {
    const files = pictures(chooser.files);
    chooser.value = ""; // it goes by itself, not with the form
    say("");
    files.forEach(send);
  });
  document.addEventListener("paste", (event) => {
    const files = pictures(event.clipboardData?.files ?? []);
    if (!files.length || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    say("");
    files.forEach(send);
  });
  // A picture that misses the field must not open in the place of what was typed.
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      if (name !== "dragleave") event.preventDefault();
      box.classList.toggle("is-over", name === "dragover");
      if (name === "drop") pictures(event.dataTransfer.files).forEach(send);
    });
  }

  chooser.multiple = true;
  chooser.removeAttribute("name");
  document.querySelector('label[for="file"]').firstChild.data = `${strings.addPictures} `;
  document.getElementById("file-h").textContent = strings.hint;
  box.querySelector(".plain").remove();
  [...list.children].forEach(adopt);
  box.append(...fields);
  list.addEventListener("input", write);
  write();
}
