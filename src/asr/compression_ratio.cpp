#include "asr/compression_ratio.hpp"

#include <zlib.h>

#include <string_view>
#include <vector>

namespace hotmic {

double compression_ratio(std::string_view text) {
    if (text.empty()) return 0;
    std::vector<Bytef> packed(compressBound(text.size()));
    uLongf size = packed.size();
    if (compress2(packed.data(), &size, reinterpret_cast<const Bytef*>(text.data()), text.size(),
                  Z_DEFAULT_COMPRESSION) != Z_OK)
        return 0;
    return static_cast<double>(text.size()) / static_cast<double>(size);
}

}  // namespace hotmic
