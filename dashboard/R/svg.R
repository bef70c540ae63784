# Pieces of SVG drawings. Colours and sizes are attributes, so that a downloaded file looks as the page does.
# Nothing is told by colour alone: what is incomplete is hatched, what is a lower bound is open at its end.

INK <- "#1b2733"
MUTED <- "#52606d"
LINE <- "#d5dbe2"
PAPER <- "#ffffff"
BLUE <- "#1f5a92"
PALE <- "#e9eef4"
AMBER <- "#8a5300"
FONT <- "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif"

escape <- function(text) htmltools::htmlEscape(as.character(text), attribute = TRUE)

svg_text <- function(x, y, text, size = 12, anchor = "start", fill = INK, weight = "400") {
  sprintf('<text x="%.1f" y="%.1f" font-size="%s" text-anchor="%s" fill="%s" font-weight="%s">%s</text>',
          x, y, size, anchor, fill, weight, escape(text))
}

# `tip` is what a pointer that rests on the mark is told.
svg_rect <- function(x, y, width, height, fill = BLUE, stroke = "none", round = 0, dash = "none", tip = NULL) {
  sprintf(
    paste0('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" stroke="%s" rx="%s"',
           ' stroke-dasharray="%s"%s/>'),
    x, y, pmax(width, 0), pmax(height, 0), fill, stroke, round, dash,
    if (is.null(tip)) "" else sprintf(' data-tip="%s"', escape(tip))
  )
}

svg_line <- function(x1, y1, x2, y2, stroke = LINE, width = 1, dash = "none") {
  sprintf('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%s" stroke-dasharray="%s"/>',
          x1, y1, x2, y2, stroke, width, dash)
}

hatch <- function(id, kind) sprintf("url(#%s-%s)", id, kind)

svg_patterns <- function(id) {
  stripes <- function(kind, back, front) {
    sprintf(paste0('<pattern id="%s-%s" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">',
                   '<rect width="7" height="7" fill="%s"/><rect width="3" height="7" fill="%s"/></pattern>'),
            id, kind, back, front)
  }
  paste0("<defs>", stripes("incomplete", "#c9dbee", BLUE), stripes("hidden", "#ffffff", "#dfe5ec"), "</defs>")
}

# A whole drawing; `footer` lines are for files, which leave the page that explains them.
svg_document <- function(id, width, height, body, title, description, footer = character()) {
  lines <- unlist(lapply(footer, wrap_text, width = width - 16, size = 10))
  below <- if (length(lines) > 0) svg_text(8, height + 14 + 14 * (seq_along(lines) - 1), lines, 10, fill = MUTED)
  heading <- if (length(lines) > 0) svg_text(8, -10, title, 15, weight = "600")
  top <- if (length(lines) > 0) -30 else 0
  whole <- height - top + if (length(lines) > 0) 14 * length(lines) + 12 else 0
  paste0(
    sprintf(paste0('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 %d %d %d" width="%d" height="%d" role="img" ',
                   'font-family="%s" aria-labelledby="%s-title" aria-describedby="%s-desc">'),
            top, round(width), round(whole), round(width), round(whole), escape(FONT), id, id),
    sprintf('<title id="%s-title">%s</title><desc id="%s-desc">%s</desc>', id, escape(title), id, escape(description)),
    svg_patterns(id),
    if (length(lines) > 0) svg_rect(0, top, width, whole, PAPER),
    paste(c(heading, body, below), collapse = ""), "</svg>"
  )
}

text_width <- function(text, size) nchar(text) * size * 0.6

wrap_text <- function(text, width, size) strwrap(text, width = max(20, floor(width / (size * 0.57))))

# Two lines for a label that is too wide for one, broken after a space or a hyphen; cut where that is not enough.
two_lines <- function(text, width, size) {
  if (text_width(text, size) <= width) return(c(text, ""))
  parts <- strsplit(text, "(?<=[ -])", perl = TRUE)[[1]]
  first <- max(1, sum(text_width(Reduce(paste0, parts, accumulate = TRUE), size) <= width))
  fit_text(c(paste(parts[seq_len(first)], collapse = ""), paste(parts[-seq_len(first)], collapse = "")), width, size)
}

# A label cut to a width, the cut marked.
fit_text <- function(text, width, size) {
  most <- pmax(2, floor(width / (size * 0.6)))
  ifelse(nchar(text) <= most, text, paste0(substr(text, 1, most - 1), "\u2026"))
}

# Round steps for an axis from zero; where nothing is shown, zero alone, for no other number would be true.
axis_steps <- function(most, count = 4) {
  if (most <= 0) return(0)
  steps <- pretty(c(0, most), n = count)
  steps <- steps[steps == round(steps)]
  if (max(steps) < most) c(steps, max(steps) + steps[2]) else steps
}
