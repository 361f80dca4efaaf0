/// Whether the files of a PocketSphinx model are as long as their own headers say, without reading them through.
///
/// The engine maps the larger ones into memory and faults past the end of a truncated one, and it believes any
/// dimension it reads. Looking first costs about a millisecond.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "hotmic/error.hpp"

namespace hotmic::pocketsphinx {

/// What the headers tell, for people: "senones" → "5126".
using Facts = std::map<std::string, std::string>;

// Each looks at one kind of file, which must exist, and adds what it learned to `facts`. Errors: model_truncated,
// model_corrupt; each names the file.

[[nodiscard]] Result<void> check_phones(const std::filesystem::path& mdef, Facts& facts);
/// `means` and `variances`.
[[nodiscard]] Result<void> check_gaussians(const std::filesystem::path& file, Facts& facts);
/// `transition_matrices` and `mixture_weights`.
[[nodiscard]] Result<void> check_matrices(const std::filesystem::path& file);
[[nodiscard]] Result<void> check_senone_dump(const std::filesystem::path& sendump);
/// Binary language models; ARPA text and compressed ones are left to the engine, which parses them with care.
[[nodiscard]] Result<void> check_language_model(const std::filesystem::path& file, Facts& facts);
/// That it is text.
[[nodiscard]] Result<void> check_dictionary(const std::filesystem::path& file);

}  // namespace hotmic::pocketsphinx
