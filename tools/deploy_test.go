// Package tools holds the pinned generators and linters, and the checks that need libraries the gateway itself does not.
package tools

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func TestComposeFile(t *testing.T) {
	t.Parallel()
	project := load(t, "AIHIGRESS_MASTER_KEY=k", "POSTGRES_PASSWORD=p")
	gateway := project.Services["gateway"]
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "AIHIGRESS_MASTER_KEY"} {
		if v := gateway.Environment[name]; v == nil || *v == "" {
			t.Errorf("the gateway is not given %s", name)
		}
	}
	for _, path := range []string{"/var/lib/aihigress/spool", "/tmp"} { // all else of the container is read-only
		if !slices.ContainsFunc(gateway.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeVolume && v.Target == path }) {
			t.Errorf("%s has no volume: %+v", path, gateway.Volumes)
		}
	}
	if c := gateway.DependsOn["migrate"].Condition; c != types.ServiceConditionCompletedSuccessfully {
		t.Errorf("the gateway starts when migrate is %q", c)
	}
}

func TestComposeFileWantsItsSecrets(t *testing.T) {
	t.Parallel()
	o, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv([]string{"POSTGRES_PASSWORD=p"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.LoadProject(t.Context()); err == nil || !strings.Contains(err.Error(), "make .env first") {
		t.Errorf("without a master key: %v", err)
	}
}

func load(t *testing.T, env ...string) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	project, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	result, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, description, url, message string, location []parser.Range) {
		t.Errorf("%s: %s", rule, message)
	}})
	stages, _, err := instructions.Parse(result.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	last := stages[len(stages)-1]
	if !strings.Contains(last.BaseName, "distroless/static") {
		t.Errorf("the image is built on %s", last.BaseName)
	}
	user := ""
	for _, c := range last.Commands {
		if u, ok := c.(*instructions.UserCommand); ok {
			user = u.User
		}
	}
	if user == "" || strings.HasPrefix(user, "0") || user == "root" {
		t.Errorf("the image runs as %q", user)
	}
}
