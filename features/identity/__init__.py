"""One person, one record: who is who across a hospital's systems, kept encrypted and apart from the lake."""
