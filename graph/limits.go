package graph

import (
	"context"
	"math"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Limits of one operation.
const (
	maxBody    = 1 << 20 // bytes of a request
	maxTokens  = 10_000  // of a document, before it is parsed
	maxDepth   = 15      // fields within fields; introspection by usual tools needs 13
	maxFields  = 2_000   // with every fragment written out where it is spread
	maxAliases = 30      // the same field again under another name
)

// shape is the extension that refuses operations by their form, before anything walks them in full: fragments that spread
// fragments grow exponentially when they are written out.
type shape struct{}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationContextMutator
} = shape{}

// ExtensionName names the extension.
func (shape) ExtensionName() string { return "Shape" }

// Validate is asked once; any schema will do.
func (shape) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext refuses what is too large.
func (shape) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	m := measure{fragments: map[string]extent{}}
	e := m.set(op.Operation.SelectionSet)
	switch {
	case m.deferred:
		return tooLarge("DEFER_UNSUPPORTED", "@defer is not supported")
	case e.depth > maxDepth:
		return tooLarge("DEPTH_LIMIT_EXCEEDED", "the operation is %d fields deep, at most %d are allowed", e.depth, maxDepth)
	case e.fields > maxFields:
		return tooLarge("FIELD_LIMIT_EXCEEDED", "the operation has more than %d fields", maxFields)
	case e.aliases > maxAliases:
		return tooLarge("ALIAS_LIMIT_EXCEEDED", "the operation has more than %d aliases", maxAliases)
	}
	return nil
}

func tooLarge(code, format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	errcode.Set(err, code)
	return err
}

// An extent is how large a selection is.
type extent struct{ depth, fields, aliases int }

func (e extent) add(other extent) extent {
	return extent{
		depth:   max(e.depth, other.depth),
		fields:  min(e.fields+other.fields, math.MaxInt32), // saturates: the sums may be exponential
		aliases: min(e.aliases+other.aliases, math.MaxInt32),
	}
}

// measure adds up selections. Each fragment is measured once; validation has refused circles.
type measure struct {
	fragments map[string]extent
	deferred  bool
}

func (m *measure) set(selections ast.SelectionSet) extent {
	var sum extent
	for _, selection := range selections {
		switch s := selection.(type) {
		case *ast.Field:
			e := m.set(s.SelectionSet)
			e.depth++
			e.fields++
			if s.Alias != s.Name {
				e.aliases++
			}
			sum = sum.add(e)
		case *ast.InlineFragment:
			m.directives(s.Directives)
			sum = sum.add(m.set(s.SelectionSet))
		case *ast.FragmentSpread:
			m.directives(s.Directives)
			e, known := m.fragments[s.Name]
			if !known {
				e = m.set(s.Definition.SelectionSet)
				m.fragments[s.Name] = e
			}
			sum = sum.add(e)
		}
	}
	return sum
}

func (m *measure) directives(list ast.DirectiveList) {
	m.deferred = m.deferred || list.ForName("defer") != nil
}

// documents keeps parsed documents, the small ones: programs send the same few over and over.
type documents struct {
	graphql.Cache[*ast.QueryDocument]
}

// Limits of the cache: 256 documents of 8 KiB of text are some 20 MiB when parsed.
const (
	maxDocuments = 256
	maxDocument  = 8 << 10
)

func newDocuments() documents { return documents{lru.New[*ast.QueryDocument](maxDocuments)} }

// Add keeps a document unless it is large.
func (d documents) Add(ctx context.Context, text string, document *ast.QueryDocument) {
	if len(text) <= maxDocument {
		d.Cache.Add(ctx, text, document)
	}
}
