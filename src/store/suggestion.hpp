/// Which model suits this machine: what fits into its memory, and what is quick enough for text while somebody speaks.
#pragma once

#include <string>
#include <vector>

#include "hotmic/units.hpp"
#include "store/catalogue.hpp"
#include "store/library.hpp"
#include "store/machine_speed.hpp"

namespace hotmic::store {

/// What a model would be like here, by forecast. As JSON it has these names.
struct Suggested {
    std::string name;
    std::string note;    ///< the catalogue's, for people
    Bytes size_bytes{};  ///< of what is downloaded
    Bytes memory_bytes{};
    double seconds_per_minute = 0;  ///< to recognize a minute of speech
    bool fits = true;               ///< into the memory that is available
    bool live = false;              ///< fits, and is quick enough for text while somebody speaks
    std::string state;              ///< here, cached (in another program's folder), available
};

/// As JSON it has these names.
struct Suggestion {
    std::string measured;  ///< "… a second by …": what the forecast is made of
    Bytes available_memory_bytes{};
    std::string multilingual;  ///< the best that fits and is live; where none is, the lightest that fits; else empty
    std::string english;       ///< the same of those that know English only
    std::vector<Suggested> models;  ///< lightest first: those of the catalogue that say what they cost
};

/// Looks at the disk.
[[nodiscard]] Suggestion suggest(const Catalogue& catalogue, const Library& library, const MachineSpeed& speed,
                                 Bytes available_memory);

}  // namespace hotmic::store
