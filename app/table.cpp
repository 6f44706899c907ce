#include "table.hpp"

#include <algorithm>

#include "output.hpp"

namespace cli {

namespace {

std::string line_of(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                    const std::vector<table::column>& columns) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string room(widths[i] - width_of(cells[i]), ' ');
        const bool left = columns[i].side == table::side::left;
        line += (i ? "  " : "") + (left ? cells[i] + room : room + cells[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

}  // namespace

std::string table::text() const {
    std::vector<std::vector<std::string>> all;
    std::vector<std::string>& headings = all.emplace_back();
    for (const column& c : columns_) headings.push_back(c.heading);
    for (const auto& row : rows_) {
        std::vector<std::string>& cells = all.emplace_back();
        for (const std::string& cell : row) cells.push_back(printable(cell));
    }
    std::vector<std::size_t> widths(columns_.size());
    for (const auto& row : all)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], width_of(row[i]));
    std::string text;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::string line = line_of(all[i], widths, columns_);
        text += (i == 0 ? dim(line) : line) + "\n";
    }
    return text;
}

std::size_t width_of(std::string_view utf8) {
    return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
}

}  // namespace cli
