// Returns "legible", or the first text of a cell's output that is too pale, or nothing before it is shown in the theme.
([theme, place]) => {
  if (document.body.dataset.jpThemeLight !== String(theme === "light")) return null;
  const cell = jupyterapp.shell.currentWidget.content.widgets[place];
  const output = cell.node.querySelector(".jp-RenderedHTMLCommon");
  if (!output?.innerText.trim()) return null;
  const parse = color => (color.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  // The relative luminance and the contrast of the Web Content Accessibility Guidelines.
  const linear = value => value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const behind = element => {
    for (let box = element; box; box = box.parentElement) {
      const color = parse(getComputedStyle(box).backgroundColor);
      if ((color[3] ?? 1) > 0.5) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(output, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.data.trim() || node.parentElement.closest("style")) continue;
    const color = getComputedStyle(node.parentElement).color, back = behind(node.parentElement);
    const [dark, pale] = [light(parse(color)), light(back)].sort((one, two) => one - two);
    if ((pale + 0.05) / (dark + 0.05) < 4.5) return `text is too pale: ${node.data.trim().slice(0, 40)} (${color} on ${back})`;
  }
  return "legible";
}
