#include "store/catalogue.hpp"

#include "hotmic/error.hpp"

namespace hotmic::store {
namespace {

constexpr char kText[] = {
#embed HOTMIC_CATALOGUE
};

}  // namespace

Result<Catalogue> Catalogue::builtin() {
    return parse(std::string_view(kText, sizeof kText), "the catalogue of this program");
}

}  // namespace hotmic::store
