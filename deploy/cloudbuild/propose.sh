#!/usr/bin/env bash
# Proposes new digests: a branch and a pull request that change kustomize/components/images and nothing else.
# Usage: propose.sh FILE_WITH_NAME_AND_DIGEST_A_LINE VERSION
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

digests=$1
version=$2
images=kustomize/components/images/kustomization.yaml

while read -r name digest; do
    [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "$name has no digest: $digest" >&2; exit 1; }
    grep -q "{name: $name," "$images" || { echo "$name is not in $images" >&2; exit 1; }
    sed -i -E "s|(\{name: $name, .*digest: )\"sha256:[0-9a-f]{64}\"|\1\"$digest\"|" "$images"
done <"$digests"
[ "${DRY_RUN:-}" ] && exit 0

git switch --create "release/$version"
git add "$images"
git commit --quiet --message "images: digests of $version"
git push --quiet origin "release/$version"
gh pr create --title "images: digests of $version" --body "Written by the release build; signed images only."
