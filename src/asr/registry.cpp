#include <format>
#include <memory>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"

namespace hotmic {

Result<std::shared_ptr<Provider>> ProviderRegistry::find(std::string_view name) const {
    std::string known;
    for (const auto& provider : providers_) {
        if (provider->name() == name) return provider;
        if (!known.empty()) known += ", ";
        known += provider->name();
    }
    return fail(ErrorCode::provider_unknown, std::format("no provider is named \"{}\"", name),
                std::format("this build has: {}", known), "provider");
}

}  // namespace hotmic
