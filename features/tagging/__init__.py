"""The rules behind tags and tiers, one file a layer; `features.tags` is where they are asked."""
