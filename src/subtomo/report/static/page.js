// Tables that sort and can be searched, and pictures that grow when clicked. Without scripts the page reads as it is.
(() => {
  'use strict';
  const key = (row, column) => {
    const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text.replace(/[\u202f\s]/g, '').replace('\u2212', '-'));
    return text !== '' && Number.isFinite(number) ? number : text;
  };
  const compare = (a, b) => typeof a === 'number' && typeof b === 'number' ? a - b
    : typeof a === 'number' ? -1 : typeof b === 'number' ? 1 : a.localeCompare(b, undefined, { numeric: true });

  for (const table of document.querySelectorAll('table.sortable')) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const falling = head.getAttribute('aria-sort') === 'ascending';
        heads.forEach((other) => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', falling ? 'descending' : 'ascending');
        const rows = [...body.rows].map((row) => [key(row, column), row]);
        rows.sort((a, b) => (falling ? compare(b[0], a[0]) : compare(a[0], b[0])));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  for (const field of document.querySelectorAll('input[type=search][data-table]')) {
    const body = document.getElementById(field.dataset.table).tBodies[0], told = field.parentNode.querySelector('output');
    field.closest('.find').hidden = false;
    field.addEventListener('input', () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      told.textContent = words.length ? `${shown} of ${body.rows.length}` : '';
    });
  }

  const dialog = document.createElement('dialog');
  dialog.className = 'zoom';
  document.body.append(dialog);
  dialog.addEventListener('click', () => dialog.close());
  for (const figure of document.querySelectorAll('figure.grows')) {
    const picture = figure.querySelector('img, svg');
    const grow = () => {
      dialog.replaceChildren(picture.cloneNode(true), figure.querySelector('figcaption').cloneNode(true));
      dialog.showModal();
    };
    picture.tabIndex = 0;
    picture.addEventListener('click', grow);
    picture.addEventListener('keydown', (event) => { if (event.key === 'Enter') grow(); });
  }
})();
