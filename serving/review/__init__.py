"""The reviewer's pages: server-drawn, without scripts."""
