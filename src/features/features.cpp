// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "features/features.hpp"

#include <fstream>
#include <system_error>

namespace ct::internal {

void add_feature(Features& features, std::string name, int error_number, std::string remedy, std::string detail) {
    HostFeature feature;
    feature.name = std::move(name);
    feature.available = error_number == 0;
    feature.detail = std::move(detail);
    if (!feature.available) {
        if (feature.detail.empty()) feature.detail = std::system_category().message(error_number);
        feature.remedy = std::move(remedy);
    }
    features.push_back(std::move(feature));
}

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

} // namespace ct::internal
