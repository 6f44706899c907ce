#pragma once
// A table of text: columns as wide as what is in them, a heading that terminals show dim.

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

class table {
public:
    enum class side { left, right };
    struct column {
        std::string heading;
        table::side side = side::left;
    };

    explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}

    /// One cell for each column, without line breaks.
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    bool empty() const { return rows_.empty(); }
    /// Control characters are shown as \xNN.
    std::string text() const;

private:
    std::vector<column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// How many columns of a terminal it takes, for text of the usual scripts.
std::size_t width_of(std::string_view utf8);

}  // namespace cli
