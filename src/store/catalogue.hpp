/// Models that can be got by name: what each is, where it is, and which bytes it has.
///
/// The catalogue of models/catalogue.toml is part of the program; an operator's file of the same form adds to it and
/// replaces entries of the same name. That file's head describes the form.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::store {

/// One file of a model.
struct File {
    std::string name;      ///< as it is called in the store; no folder, nothing hidden
    std::string path{};    ///< at the source; empty: as `name`
    Bytes size{};          ///< none: not known
    std::string digest{};  ///< SHA-256, lower-case hex; empty: unverified, so the first one that comes is trusted
    std::vector<std::string> members{};  ///< of packages: files within them, joined in this order
};

/// One place that has the model. Sources of one entry may hold different files (another format of the same weights).
struct Source {
    std::string hub{};                    ///< repository on a model hub: "ggerganov/whisper.cpp"
    std::string revision{};               ///< of that repository
    std::string url{};                    ///< folder of a web server
    std::vector<std::string> packages{};  ///< pinned Python packages: "name==1.0.0"
    std::vector<File> files{};

    /// "the hub's ggerganov/whisper.cpp", "https://example.org/models", "Python packages".
    [[nodiscard]] std::string describe() const;
    /// Of all files; none where one is not known.
    [[nodiscard]] Bytes size() const;
    /// Every file's digest is known.
    [[nodiscard]] bool verified() const;
};

struct Entry {
    std::string name;
    std::vector<std::string> aliases{};
    std::string kind{};                    ///< "whisper", "transducer", "vad"
    std::vector<std::string> languages{};  ///< ISO codes; {"multilingual"} where they are too many to name
    std::string licence{};
    std::string note{};             ///< for people, one line
    Bytes memory{};                 ///< about what it needs when loaded with one slot; none: not known
    double gflop_per_second = 0;    ///< of audio, of the encoder: what a forecast of speed is made of; 0: none
    std::vector<Source> sources{};  ///< in the order in which they are tried

    [[nodiscard]] Bytes size() const { return sources.empty() ? Bytes() : sources.front().size(); }
    [[nodiscard]] bool goes_by(std::string_view called) const;
    /// As it is fetched for who calls it so: where that names the repository of one of the sources, that one is first.
    [[nodiscard]] Entry asked_for_as(std::string_view called) const;
};

class Catalogue {
public:
    /// The program's own.
    [[nodiscard]] static Result<Catalogue> builtin();
    /// The program's own, and what `file` adds; an empty path adds nothing. Errors: config_invalid, with the place.
    [[nodiscard]] static Result<Catalogue> load(const std::filesystem::path& file);
    /// `where` names the text in messages. Errors: config_invalid.
    [[nodiscard]] static Result<Catalogue> parse(std::string_view text, const std::string& where);

    /// By name or alias, whatever the case of its letters; null: there is none.
    [[nodiscard]] const Entry* find(std::string_view called) const;
    /// The same, as it is fetched for who calls it so. Errors: model_not_found, with what may have been meant.
    [[nodiscard]] Result<Entry> get(std::string_view called) const;
    [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }

    /// Takes all of `other`; entries of the same name are replaced. Errors: config_invalid where a name then leads to
    /// two.
    [[nodiscard]] Result<void> add(Catalogue other, const std::string& where);

private:
    std::vector<Entry> entries_;
};

/// Letters, digits, "." "_" "-" and at most one "/" between two such words; neither begins with a dot. So it can name a
/// folder, and can never lead out of one.
[[nodiscard]] bool is_model_name(std::string_view name);
/// The same without "/".
[[nodiscard]] bool is_file_name(std::string_view name);
/// A model's name as that of one file or folder: "owner/name" is "owner--name".
[[nodiscard]] std::string flat_name(std::string name);
/// Relative, and no part of it is "." or "..": it stays in its folder.
[[nodiscard]] bool stays_inside(std::string_view path);
/// 64 hexadecimal digits, lower case.
[[nodiscard]] bool is_digest(std::string_view text);

}  // namespace hotmic::store
