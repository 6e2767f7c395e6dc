package provider

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"aihigress/internal/fault"
)

// MaxPath is how many bytes a path of a provider's own has at most.
const MaxPath = 500

// operations are what a provider may have a path of its own for, by the texts of upstream.Operation. generate_stream is
// for a generation that is streamed, in dialects where that is another path.
var operations = []string{
	"generate", "generate_stream", "count_tokens", "complete", "embed", "batch_embed", "moderate", "rerank",
	"images_generate", "images_edit", "speech", "transcribe", "translate_audio", "list_models",
}

// Operations lists what a provider may have a path of its own for.
func Operations() []string { return slices.Clone(operations) }

// pathsJSON is checked paths as they are stored.
func pathsJSON(paths map[string]string) ([]byte, error) {
	if err := checkPaths(paths); err != nil {
		return nil, err
	}
	if paths == nil {
		paths = map[string]string{}
	}
	raw, err := json.Marshal(paths)
	if err != nil {
		return nil, fmt.Errorf("write paths: %w", err)
	}
	return raw, nil
}

// checkPaths holds paths of a provider's own against their rules: each is one of the provider's, whatever model it names.
func checkPaths(paths map[string]string) error {
	for op, path := range paths {
		if !slices.Contains(operations, op) {
			return fault.Field("paths", "%.50q is no operation: there are %s", op, strings.Join(operations, ", "))
		}
		bare := strings.ReplaceAll(path, "{model}", "m")
		u, err := url.Parse(bare)
		switch {
		case len(path) > MaxPath:
			return fault.Field("paths", "a path has at most %d bytes", MaxPath)
		case err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || u.IsAbs() || u.Host != "" ||
			strings.ContainsFunc(bare, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`?#\{}`, r) }):
			return fault.Field("paths", "a path begins with one slash, and has no host, no spaces, no ? and no #")
		}
		for part := range strings.SplitSeq(u.Path, "/") {
			if part == "." || part == ".." {
				return fault.Field("paths", "a path has no dots between slashes")
			}
		}
	}
	return nil
}
