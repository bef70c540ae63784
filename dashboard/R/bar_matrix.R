# Bars in rows and columns: shares of groups (rows) in places (columns), on one scale. Columns that do not fit beside
# each other go below; labels that do not fit beside their bars go above them.

# `cells` has `row`, `column` (labels), `share`, `state`, `mark` (what stands at the bar) and `tip`.
draw_bar_matrix <- function(id, width, rows, columns, cells) {
  size <- 12
  widest <- max(text_width(rows, size) + 12, 48) # capitals alone are wider than letters are on average
  above <- widest > width * if (length(columns) == 1) 0.5 else 0.36
  label_width <- if (above) 0 else widest
  room <- width - label_width
  across <- max(1, min(length(columns), floor(room / 110)))
  column_width <- room / across
  line <- if (above) 40 else 22
  most <- max(c(cells$share, 0.01), na.rm = TRUE)
  bar_room <- column_width - 58
  body <- character()
  blocks <- split(seq_along(columns), (seq_along(columns) - 1) %/% across)
  top <- 0
  for (block in blocks) {
    own <- rows[rows %in% cells$row[cells$column %in% columns[block]]]
    heads <- vapply(columns[block], two_lines, character(2), column_width - 6, size)
    head <- if (any(nzchar(heads[2, ]))) 40 else 26
    for (i in seq_along(block)) {
      left <- label_width + (i - 1) * column_width
      body <- c(body, svg_text(left, top + c(15, 29), heads[, i], size, weight = "600")[nzchar(heads[, i])])
      body <- c(body, svg_line(left, top + head - 4, left, top + head + line * length(own), "#9aa5b1"))
    }
    for (r in seq_along(own)) {
      y <- top + head + (r - 1) * line
      body <- c(body, if (above) svg_text(5, y + 14, fit_text(own[r], width - 5, size), size) else {
        svg_text(label_width - 8, y + 14, own[r], size, "end")
      })
      if (r > 1) body <- c(body, svg_line(0, y - 1, width, y - 1, "#eef1f5"))
      for (i in seq_along(block)) {
        cell <- cells[cells$row == own[r] & cells$column == columns[block[i]], ]
        if (nrow(cell) == 0) next
        left <- label_width + (i - 1) * column_width
        body <- c(body, draw_bar(id, left, y + line - 20, 16, bar_room, most, cell[1, ]))
      }
    }
    top <- top + head + line * length(own) + 14
  }
  list(body = body, height = top)
}

draw_bar <- function(id, left, y, height, room, most, cell) {
  if (cell$state == "hidden") {
    return(c(svg_rect(left, y, 18, height, hatch(id, "hidden"), "#9aa5b1", tip = cell$tip),
             svg_text(left + 23, y + 12, cell$mark, 12, fill = MUTED)))
  }
  if (cell$state == "none") return(svg_text(left + 5, y + 12, cell$mark, 12, fill = MUTED))
  long <- cell$share / most * room
  open <- if (cell$state == "at_least") {
    svg_rect(left + long, y + 0.5, 8, height - 1, PAPER, BLUE, dash = "2 2")
  }
  c(svg_rect(left, y, long, height, BLUE, tip = cell$tip), open,
    svg_text(left + long + if (is.null(open)) 5 else 12, y + 12, cell$mark, 12))
}
