/// How repetitive a text is.
#pragma once

#include <string_view>

namespace hotmic {

/// Bytes of `text` ÷ bytes of its zlib stream, as OpenAI defines `compression_ratio`; 0 for an empty text.
[[nodiscard]] double compression_ratio(std::string_view text);

}  // namespace hotmic
