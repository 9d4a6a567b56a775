// Set every equation of a page with KaTeX. Equations come from Markdown as text in `\(…\)` or `\[…\]` (pymdownx.arithmatex).
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll(".arithmatex")) {
    const tex = element.textContent.trim();
    katex.render(tex.slice(2, -2), element, { displayMode: tex.startsWith("\\["), throwOnError: false });
  }
});
