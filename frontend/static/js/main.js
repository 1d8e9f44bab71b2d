/* What plain forms and htmx do not do, one file each. Every page works without them. */

import "./theme_switch.js";
import "./swaps.js";
import "./scrolls.js";
import "./live.js";
import "./pulse.js";
import "./times.js";
import "./grids.js";
import "./keys.js";
import "./search.js";
import "./shortcuts.js";
import "./forms.js";
import "./hex.js";
import "./properties.js";
import "./uploads.js";
import "./lists.js";
import "./review.js";
import "./merging.js";
import "./drafts.js";
import "./combobox.js";
import "./entries.js";
import "./copy.js";
