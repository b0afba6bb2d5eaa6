"use strict";
// Tables sort by their column headers, are copied and saved as CSV, and long ones filter by words;
// without this script they are plain tables. Long tables within folds are drawn when the fold is
// opened. Folded parts are opened for print.
(() => {
  const LONG = 15;

  const make = (name, properties = {}, ...content) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...content);
    return element;
  };
  const makeButton = (text, click, className = "copy") => {
    const button = make("button", { type: "button", className }, text);
    button.addEventListener("click", () => click(button));
    return button;
  };

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
      const button = makeButton("", () => sortBy(table, header, column), "");
      button.append(...header.childNodes);
      header.append(button);
    });
  };

  const makeFilter = (table) => {
    const input = make("input", { type: "search" });
    const found = make("span");
    found.setAttribute("role", "status");
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
    return [make("label", {}, "Filter rows ", input), found];
  };

  // What a table says, as text: numbers in full, intervals as two columns of their own.
  const plain = (text) => text.replace(/\u2212/g, "-").replace(/\s+/g, " ").trim();
  const LIMITS = /^\((\S+) to (\S+)\)$/;
  const limitsOf = (text) => {
    const found = plain(text).match(LIMITS);
    return found ? found.slice(1).map((end) => end.replace(/,/g, "")) : null;
  };
  const columnsOf = (table, column) => {
    const header = table.tHead.rows[0].cells[column];
    const cells = [...table.tBodies[0].rows].map((row) => row.cells[column]);
    const asides = cells.map((cell) => (cell.querySelector("span") || {}).textContent || "");
    const own = cells.map((cell) => {
      const number = header.classList.contains("number") && cell.dataset.sort !== "";
      return number && !isNaN(cell.dataset.sort) ? cell.dataset.sort : plain(cell.firstChild?.textContent ?? "");
    });
    const title = plain(header.textContent);
    const made = [[title, ...own]];
    if (!asides.some(Boolean)) return made;
    const limits = asides.map((text) => (text ? limitsOf(text) : ["", ""]));
    if (!limits.every(Boolean)) return [...made, [`${title}, interval`, ...asides.map(plain)]];
    const end = (place) => limits.map((ends) => ends[place]);
    return [...made, [`${title}, low`, ...end(0)], [`${title}, high`, ...end(1)]];
  };
  const written = (table, separator) => {
    const columns = [...table.tHead.rows[0].cells].flatMap((_, column) => columnsOf(table, column));
    const quoted = (text) => (/["\n,;\t]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
    // A spreadsheet would run what begins like a formula.
    const safe = (text) => (/^[=+@\t\r]|^-(?![\d.])/.test(text) ? `'${text}` : text);
    return columns[0]
      .map((_, row) => columns.map((column) => quoted(safe(column[row]))).join(separator))
      .join("\n");
  };

  const copied = async (button, text, holder) => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(holder);
      button.textContent = "Selected; copy with Ctrl+C";
    }
  };
  const save = (table, name) => {
    const blob = new Blob(["\ufeff", written(table, ","), "\n"], { type: "text/csv" });
    const link = make("a", { href: URL.createObjectURL(blob), download: `${name}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  const equip = (holder) => {
    const table = holder.querySelector("table");
    const rows = table.tBodies[0].rows.length;
    const tools = make("p", { className: "tools" });
    if (rows >= LONG) tools.append(...makeFilter(table));
    tools.append(
      makeButton("Copy table", (button) => copied(button, written(table, "\t"), table)),
      makeButton("Save as CSV", () => save(table, holder.id.replace(/^table-/, ""))),
    );
    for (const button of tools.querySelectorAll("button")) {
      button.setAttribute("aria-label", `${button.textContent}: ${table.caption.textContent.trim()}`);
    }
    if (rows > 1 && !holder.classList.contains("grid")) makeSortable(table);
    holder.querySelector(".scroll").after(tools);
  };

  const draw = (holder, packed) => {
    const { caption, columns, rows } = JSON.parse(packed.textContent);
    const head = columns.map(([title, numeric, full]) =>
      make("th", { scope: "col", className: numeric ? "number" : "" },
        full ? make("abbr", { title: full }, title) : title));
    const body = rows.map((cells) => make("tr", {}, ...cells.map((given, column) => {
      // A cell that is sorted by its text is that text.
      const [text, sort, aside] = typeof given === "string" ? [given, given] : given;
      const cell = column ? make("td") : make("th", { scope: "row" });
      cell.className = columns[column][1] ? "number" : text.length > 36 ? "long" : "";
      cell.dataset.sort = sort;
      cell.append(text, ...(aside ? [" ", make("span", {}, aside)] : []));
      return cell;
    })));
    const table = make("table", {}, make("caption", {}, make("span", {}, caption)),
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
    const scroll = make("div", { className: "scroll", tabIndex: 0 }, table);
    scroll.setAttribute("role", "group");
    scroll.setAttribute("aria-label", `Table: ${caption}`);
    packed.replaceWith(scroll);
    equip(holder);
  };

  for (const holder of document.querySelectorAll(".table:has(table)")) equip(holder);
  const drawWithin = (part) => {
    for (const packed of part.querySelectorAll(".table > script")) draw(packed.parentElement, packed);
  };
  for (const part of document.querySelectorAll("details")) {
    part.addEventListener("toggle", () => part.open && drawWithin(part));
  }

  for (const holder of document.querySelectorAll(".prose, .code")) {
    const of = holder.classList.contains("code") ? "pre" : "p";
    const parts = () => [...holder.querySelectorAll(of)].map((part) => part.textContent);
    holder.before(makeButton("Copy text", (button) => copied(button, parts().join("\n\n"), holder)));
  }

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open], .screen)")];
    for (const part of opened) {
      part.open = true;
      drawWithin(part);
    }
  });
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });
})();
