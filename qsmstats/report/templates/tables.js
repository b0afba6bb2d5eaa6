"use strict";
// Tables sort by their column headers and long ones filter by words; without this script they are
// plain tables. Folded parts are opened for print.
(() => {
  const LONG = 15;

  const value = (row, column, numeric) => {
    const raw = row.cells[column].dataset.sort;
    if (!numeric) return raw;
    return raw === "" ? NaN : Number(raw.replace("inf", "Infinity"));
  };

  const compare = (numeric, direction) => (a, b) => {
    // What is missing stays at the end in both directions.
    const [none, other] = numeric ? [isNaN(a.key), isNaN(b.key)] : [a.key === "", b.key === ""];
    if (none || other) return none - other;
    const order = numeric ? a.key - b.key : a.key.localeCompare(b.key, "en", { numeric: true });
    return direction * order;
  };

  const sortBy = (table, header, column) => {
    const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
    const numeric = header.classList.contains("number");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => ({ row, key: value(row, column, numeric) }));
    keyed.sort(compare(numeric, direction));
    body.append(...keyed.map((item) => item.row));
  };

  const makeSortable = (table) => {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sortBy(table, header, column));
      header.append(button);
    });
  };

  const makeFilterable = (table, holder) => {
    const tools = document.createElement("p");
    tools.className = "tools";
    const label = document.createElement("label");
    label.textContent = "Filter rows ";
    const input = document.createElement("input");
    input.type = "search";
    const found = document.createElement("span");
    found.setAttribute("role", "status");
    label.append(input);
    tools.append(label, found);
    holder.prepend(tools);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      found.textContent = words.length ? ` ${shown} of ${table.tBodies[0].rows.length} rows` : "";
    });
  };

  for (const holder of document.querySelectorAll(".table")) {
    const table = holder.querySelector("table");
    const rows = table.tBodies[0].rows.length;
    if (rows > 1) makeSortable(table);
    if (rows >= LONG) makeFilterable(table, holder);
  }

  for (const holder of document.querySelectorAll(".prose")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy text";
    button.addEventListener("click", async () => {
      const text = [...holder.querySelectorAll("p")].map((part) => part.textContent).join("\n\n");
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(holder);
        button.textContent = "Selected; copy with Ctrl+C";
      }
    });
    holder.before(button);
  }

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open], .screen)")];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });
})();
