/// Header fields and parameters of a request or response.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hotmic::http {

/// True where the two are the same but for the case of ASCII letters.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b) noexcept;

/// ASCII letters in lower case.
[[nodiscard]] std::string lower_case(std::string_view text);

/// Fields in their order. Names are compared in any case.
class Fields {
public:
    using Field = std::pair<std::string, std::string>;

    /// The first of that name; empty where there is none.
    [[nodiscard]] std::string_view get(std::string_view name) const noexcept;
    [[nodiscard]] bool has(std::string_view name) const noexcept;
    void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
    /// In place of all of that name.
    void set(std::string name, std::string value);
    /// Adds `value` to a comma-separated list, unless it is in there.
    void merge(std::string name, std::string_view value);

    [[nodiscard]] auto begin() const noexcept { return fields_.begin(); }
    [[nodiscard]] auto end() const noexcept { return fields_.end(); }

private:
    std::vector<Field> fields_;
};

/// The elements of a comma-separated header field, without the spaces around them.
[[nodiscard]] std::vector<std::string_view> list_of(std::string_view field);

/// `form-data; name="file"; filename=a.wav`: a value and its parameters, names in lower case.
struct ParameterizedValue {
    std::string value;  ///< in lower case
    std::vector<Fields::Field> parameters;

    /// Null where there is none.
    [[nodiscard]] const std::string* find(std::string_view name) const noexcept;
};

/// Reads RFC 9110's parameters; what follows the first that is malformed is left out.
[[nodiscard]] ParameterizedValue parse_parameters(std::string_view field);

/// %41 → A; `plus`: + → space, as in forms. What is no escape stays as it is.
[[nodiscard]] std::string percent_decoded(std::string_view text, bool plus = false);
/// `a=1&b=2` in its order.
[[nodiscard]] std::vector<Fields::Field> parse_query(std::string_view query);

}  // namespace hotmic::http
