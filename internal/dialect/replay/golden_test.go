package replay_test

import (
	"os"
	"path/filepath"
)

// written are the streams of a dialect that we wrote ourselves, after the vendors' descriptions.
func written(name string) []string {
	files, err := filepath.Glob(filepath.Join("testdata", "*", name+".sse"))
	if err != nil {
		panic(err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		all = append(all, string(text))
	}
	return all
}
