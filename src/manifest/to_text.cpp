// A manifest as a page for terminals.

#include <algorithm>

#include "manifest/model.hpp"
#include "manifest/notation.hpp"
#include "tenon/manifest.hpp"

namespace tenon::inline v0 {
namespace manifests {
namespace {

// Columns; of UTF-8 every character counts as one.
std::size_t width_of(std::string_view s) {
    return static_cast<std::size_t>(std::count_if(
        s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

class page {
public:
    page(const model& m, std::size_t width) : model_(m), width_(std::max<std::size_t>(width, 40)) {}

    std::string write() {
        if (!model_.publisher.empty()) out_.append(model_.publisher).append("/");
        out_.append(model_.service).append(1, ' ').append(printable(model_.version)).append("\n");
        paragraph(model_.purpose, 0);
        write(model_.members, "");
        write(model_.operations, "Control operations");
        write_types();
        return std::move(out_);
    }

private:
    void write(const std::vector<member>& members, std::string_view title) {
        if (members.empty()) return;
        out_ += '\n';
        if (!title.empty()) out_.append(title).append("\n");
        for (const member& m : members) write(m);
    }

    void write(const member& m) {
        std::vector<std::string> params;
        for (const param& p : m.params) params.push_back(describe(p));
        std::string result;
        if (m.up.value != nullptr) params.push_back("stream of " + notation(*m.up.value));
        if (m.down.value != nullptr) result = " -> stream of " + notation(*m.down.value);
        else if (m.is_known() && m.result->real().kind != kind::nothing)
            result = " -> " + notation(*m.result);
        std::string flags = flags_of(m);
        list("  " + std::string(m.name) + "(", params, ")" + result, flags);
        paragraph(m.doc, 6);
        for (const param& p : m.params)
            if (!p.doc.empty()) paragraph(std::string(p.name) + ": " + std::string(p.doc), 6);
        std::string errors;
        for (const declared_error& e : m.errors) {
            errors.append(errors.empty() ? "fails with " : ", ").append(e.name);
            const bool tells_more = e.data != nullptr && notation(*e.data) != e.name;
            if (tells_more) errors.append(" (").append(notation(*e.data)).append(")");
        }
        paragraph(errors, 6);
    }

    static std::string describe(const param& p) {
        std::string s = printable(p.name) + ": " + notation(*p.type);
        if (p.default_value != nullptr) s += " = " + printable(tenon::to_json(*p.default_value));
        else if (p.optional && p.type->real().kind != kind::optional) s += " (optional)";
        return s;
    }

    static std::string flags_of(const member& m) {
        std::string s;
        const auto add = [&](bool yes, std::string_view flag) {
            if (yes) s.append(s.empty() ? "" : ", ").append(flag);
        };
        add(!m.is_method(), m.kind);
        add(m.idempotent, "idempotent");
        add(m.blocking, "blocking");
        add(m.serial, "serial");
        add(!m.codec.empty(), m.codec);
        add(!m.priority.empty(), std::string(m.priority) + " priority");
        const bool both = m.up.value != nullptr && m.down.value != nullptr;
        add(m.up.is_declared(), (both ? "up " : "") + describe(m.up));
        add(m.down.is_declared(), (both ? "down " : "") + describe(m.down));
        return printable(s);
    }

    // "drop_old 100 window 500", "latest by symbol"
    static std::string describe(const direction& d) {
        std::string s(d.overflow);
        const auto add = [&](std::string_view word, std::string_view what) {
            s.append(s.empty() ? "" : " ").append(word).append(what);
        };
        if (!d.key.empty()) add("by ", d.key);
        if (d.queue != 0) add(d.overflow.empty() ? "queue " : "", std::to_string(d.queue));
        if (d.window != 0) add("window ", std::to_string(d.window));
        return s;
    }

    // On one line if it fits there, else one entry per line.
    void list(const std::string& before, const std::vector<std::string>& entries,
              const std::string& after, const std::string& note) {
        std::string line = before;
        for (const std::string& e : entries)
            line.append(&e == &entries.front() ? "" : ", ").append(e);
        line += after;
        if (width_of(line) > width_ && !entries.empty()) {
            out_.append(before).append("\n");
            for (const std::string& e : entries) out_.append("      ").append(e).append(",\n");
            line = "  " + after;
        }
        out_ += line;
        if (!note.empty()) {
            const std::size_t used = width_of(line) + 3 + width_of(note);
            out_.append(used <= width_ ? "   " : "\n      ").append(note);
        }
        out_ += '\n';
    }

    // Words filled into lines; the text's own line ends stay.
    void paragraph(std::string_view text, std::size_t indent) {
        while (!text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            fill(printable(text.substr(0, end)), indent);
            text.remove_prefix(std::min(end + 1, text.size()));
        }
    }

    void fill(std::string_view text, std::size_t indent) {
        std::size_t column = 0;
        while (!text.empty()) {
            const std::size_t end = std::min(text.find(' '), text.size());
            const std::string_view word = text.substr(0, end);
            text.remove_prefix(std::min(end + 1, text.size()));
            if (word.empty()) continue;
            const std::size_t width = width_of(word);
            if (column != 0 && column + 1 + width > width_) out_ += '\n', column = 0;
            if (column == 0) out_.append(indent, ' '), column = indent;
            else out_ += ' ', ++column;
            out_ += word;
            column += width;
        }
        out_ += '\n';
    }

    void write_types() {
        if (model_.shapes.empty()) return;
        out_ += "\nTypes\n";
        std::size_t longest = 0;
        for (const type* t : model_.shapes) longest = std::max(longest, t->name.size());
        for (const type* t : model_.shapes) {
            std::string line = "  " + std::string(t->name);
            line.append(std::min<std::size_t>(longest, 20) + 4 > line.size()
                            ? std::min<std::size_t>(longest, 20) + 4 - line.size()
                            : 2,
                        ' ');
            const std::string text = definition(*t);
            if (t->kind == kind::structure && width_of(line) + width_of(text) > width_)
                write_fields(*t);
            else if (t->kind == kind::enumeration) fill_enumeration(line, *t);
            else out_.append(line).append(text).append("\n");
        }
    }

    void write_fields(const type& t) {
        out_.append("  ").append(t.name).append(" {\n");
        for (const field& f : t.fields) {
            const bool marked = f.may_be_missing && f.type->real().kind != kind::optional;
            out_.append("      ").append(printable(f.name)).append(marked ? "?: " : ": ");
            out_.append(notation(*f.type)).append("\n");
        }
        out_ += "  }\n";
    }

    void fill_enumeration(std::string line, const type& t) {
        const std::size_t indent = line.size();
        for (std::size_t i = 0; i < t.names.size(); ++i) {
            const std::string name = (i == 0 ? "" : "| ") + printable(t.names[i]);
            if (i != 0 && width_of(line) + 1 + width_of(name) > width_) {
                out_.append(line).append("\n");
                line = std::string(indent, ' ') + name;
            } else {
                line.append(i == 0 ? "" : " ").append(name);
            }
        }
        out_.append(line).append("\n");
    }

    const model& model_;
    const std::size_t width_;
    std::string out_;
};

}  // namespace
}  // namespace manifests

std::string to_text(const manifest& m, std::size_t width) {
    return manifests::page(m.model(), width).write();
}

}  // namespace tenon::inline v0
