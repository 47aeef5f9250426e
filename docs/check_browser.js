// Returns the problems of the open page in a theme; check_browser.py runs it.
async theme => {
  for (let tries = 0; tries < 200 && document.documentElement.dataset.theme !== theme; tries++)
    await new Promise(resolve => setTimeout(resolve, 20));
  const problems = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width)
    problems.push(`wider than the window: ${document.documentElement.scrollWidth} px`);
  if (document.documentElement.dataset.theme !== theme) problems.push(`the theme is not ${theme}`);
  const article = document.querySelector("article") ?? document.querySelector(".bd-main") ?? document.body;
  const scrolls = element => {
    for (let box = element; box && box !== document.body; box = box.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return true;
    return false;
  };
  for (const element of article.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (box.width && box.right > width + 1 && !scrolls(element)) {
      problems.push(`an element is cut at the right: ${element.outerHTML.slice(0, 60)}`);
      break;
    }
  }
  for (const image of document.images) {
    if (!image.alt.trim()) problems.push(`picture without a description: ${image.src}`);
    if (image.complete && !image.naturalWidth) problems.push(`picture is missing: ${image.src}`);
  }
  const parse = color => (color.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  // The relative luminance and the contrast of the Web Content Accessibility Guidelines.
  const linear = value => value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const behind = element => {
    for (let box = element; box; box = box.parentElement) {
      const style = getComputedStyle(box), color = parse(style.backgroundColor);
      if (style.backgroundImage !== "none") return null;
      if ((color[3] ?? 1) > 0.5) return color;
    }
    return theme === "dark" ? [0, 0, 0] : [255, 255, 255];
  };
  const visible = {opacityProperty: true, visibilityProperty: true};
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement, style = getComputedStyle(element);
    if (!node.data.trim() || !element.checkVisibility(visible)) continue;
    const back = behind(element);
    if (!back || element.closest("svg, script, style, .headerlink, .copybtn")) continue;
    const [dark, pale] = [light(parse(style.color)), light(back)].sort((one, two) => one - two);
    if ((pale + 0.05) / (dark + 0.05) < 3) {
      problems.push(`text is too pale: ${node.data.trim().slice(0, 40)} (${style.color} on ${back})`);
      break;
    }
  }
  return problems;
}
