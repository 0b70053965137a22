for (const frame of document.querySelectorAll("iframe.html")) {
  const fit = () => {
    const page = frame.contentDocument && frame.contentDocument.documentElement;
    if (!page) return;
    // A page is never lower than its frame.
    frame.style.height = "0";
    frame.style.height = page.scrollHeight + "px";
  };
  frame.addEventListener("load", fit);
  window.addEventListener("resize", fit);
  fit();
}
