// On a narrow screen code and tables scroll in frames of their own, and the keyboard has to reach these. The theme lets it
// reach code on devices with a mouse, and tables on none. It builds the frames late, so every change of the page is checked.
const reach = () => {
  for (const frame of document.querySelectorAll("pre > code, .md-typeset__scrollwrap")) {
    if (frame.scrollWidth <= frame.clientWidth) frame.removeAttribute("tabindex");
    else if (!frame.hasAttribute("tabindex")) frame.setAttribute("tabindex", "0");
  }
  document.querySelectorAll(".md-code__nav").forEach((buttons, index) => {
    if (!buttons.hasAttribute("aria-label")) buttons.setAttribute("aria-label", `Buttons of code block ${index + 1}`);
  });
};
const changes = { childList: true, subtree: true, attributes: true, attributeFilter: ["tabindex"] };
new MutationObserver(reach).observe(document.body, changes);
addEventListener("resize", reach);
addEventListener("load", reach);
