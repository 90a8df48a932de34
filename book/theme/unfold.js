// Paper shows what is folded. paper.css unfolds it where the browser knows
// ::details-content; this is for the others.
"use strict";
{
    // What was folded before, and the groups of which one part is open.
    let before = [];

    window.addEventListener("beforeprint", () => {
        before = [...document.querySelectorAll("details")]
            .map((part) => [part, part.open, part.name]);
        for (const [part] of before) {
            // As long as it has the name, it closes the others.
            part.removeAttribute("name");
            part.open = true;
        }
    });

    window.addEventListener("afterprint", () => {
        for (const [part, open, name] of before) {
            part.open = open;
            if (name) {
                part.name = name;
            }
        }
        before = [];
    });
}
