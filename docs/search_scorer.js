// Order of the search results: pages with the words in their title first, then how-to pages and guides, then the reference.
var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    const words = (new URLSearchParams(location.search).get("q") ?? "").toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
    const inTitle = words.filter(word => title.toLowerCase().includes(word)).length;
    const folder = page.includes("/") ? page.split("/")[0] : page;
    const place = {
      howto: 8, gallery: 6, concepts: 5, guide: 6, edges: 6, local: 6, allen: 5, neuromorpho: 5, cave: 5, start: 4,
      glossary: 4, tutorials: 2, design: -4, changelog: -6, contributing: -4, add_a_service: -4,
    }[folder] ?? (page === "reference/names" ? 5 : 0);
    return score + place + 8 * inTitle;
  },
  // The values of Sphinx.
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
