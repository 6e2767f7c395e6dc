package app

import (
	"context"
	"errors"
	"fmt"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/page"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
)

const (
	devModel    = "demo"
	devProvider = "simulator"
	devCredit   = 1000 * money.Credit
)

// seed makes what a newcomer needs to make a first call: an admin with credit, the simulator as provider, a model that
// routes to it and a key. It is done once for a data folder, so that what a user deletes stays deleted; a start that was
// killed in the middle is taken up by the next.
func (g *Gateway) seed(ctx context.Context, dir string, state *devState, simulator string) error {
	ctx = authz.With(ctx, authz.Job("dev"))
	if state.APIKey == "" {
		key, err := g.firstData(ctx, state, simulator)
		if err != nil {
			return err
		}
		state.APIKey, state.Simulator = key.Reveal(), simulator
		if err := state.save(dir); err != nil {
			return err
		}
	}
	if state.Simulator != simulator {
		if err := g.moveSimulator(ctx, state.Simulator, simulator); err != nil {
			return err
		}
		state.Simulator = simulator
		if err := state.save(dir); err != nil {
			return err
		}
	}
	return g.snapshots.Load(ctx) // so that the first call already finds it
}

func (g *Gateway) firstData(ctx context.Context, state *devState, simulator string) (secret.Text, error) {
	admin, err := g.firstAdmin(ctx, state)
	if err != nil {
		return secret.Text{}, err
	}
	if _, _, err := g.ledger.Grant(ctx, credit.GrantInput{UserID: admin, Amount: devCredit, Reason: "to try it", IdempotencyKey: "dev"}); err != nil {
		return secret.Text{}, fmt.Errorf("credit: %w", err)
	}
	upstream, err := g.firstProvider(ctx, simulator)
	if err != nil {
		return secret.Text{}, err
	}
	_, err = g.models.Create(ctx, catalog.CreateInput{
		Name: devModel, Description: "Made-up answers of the simulator.", Routes: []catalog.RouteInput{{ProviderID: upstream, UpstreamID: "sim-chat"}},
	})
	if err != nil && !errors.Is(err, fault.Conflict) {
		return secret.Text{}, fmt.Errorf("model: %w", err)
	}
	_, key, err := g.keys.Create(ctx, apikey.CreateInput{Name: "dev", UserID: admin})
	if err != nil {
		return secret.Text{}, fmt.Errorf("key: %w", err)
	}
	return key, nil
}

func (g *Gateway) firstAdmin(ctx context.Context, state *devState) (id.User, error) {
	user, err := g.users.Create(ctx, account.CreateInput{Email: state.Email, Name: "Admin", Role: authz.Admin, Password: state.Password})
	if !errors.Is(err, fault.Conflict) {
		return user.ID, err
	}
	found, err := g.users.List(ctx, account.Filter{Query: state.Email}, page.Args{First: 1})
	if err == nil && len(found.Items) == 0 {
		err = errors.New("the admin's e-mail is taken, but nobody has it")
	}
	if err != nil {
		return id.User{}, fmt.Errorf("admin: %w", err)
	}
	return found.Items[0].ID, nil
}

func (g *Gateway) firstProvider(ctx context.Context, simulator string) (id.Provider, error) {
	in := provider.CreateInput{
		Name: "Simulator", Slug: devProvider, Dialect: "openai", BaseURL: simulator, Visibility: provider.Public, AcceptAnyModel: true,
		Keys: []provider.KeyInput{{Secret: secret.NewText("sk-simulator"), Label: "any key will do"}},
	}
	// Prices of nobody's, so that charges are seen.
	input, cached, output := money.Price(500_000), money.Price(50_000), money.Price(1_500_000)
	for _, name := range []string{"sim-chat", "sim-slow", "sim-flaky", "sim-thinking", "sim-embedding"} {
		in.Models = append(in.Models, provider.ModelInput{
			UpstreamID: name, Rate: &pricing.Rate{Input: &input, CachedInput: &cached, CacheWrite: &input, Output: &output},
		})
	}
	made, err := g.providers.Create(ctx, in)
	if !errors.Is(err, fault.Conflict) {
		return made.ID, err
	}
	found, err := g.providers.List(ctx, provider.Filter{Query: devProvider}, page.Args{})
	if err != nil {
		return id.Provider{}, fmt.Errorf("provider: %w", err)
	}
	for _, p := range found.Items {
		if p.Slug == devProvider {
			return p.ID, nil
		}
	}
	return id.Provider{}, errors.New("the simulator's slug is taken, but no provider has it")
}

// moveSimulator points providers at the simulator's new address, where its old port was taken meanwhile.
func (g *Gateway) moveSimulator(ctx context.Context, from, to string) error {
	for args := (page.Args{First: page.MaxSize}); ; {
		found, err := g.providers.List(ctx, provider.Filter{}, args)
		if err != nil {
			return fmt.Errorf("providers: %w", err)
		}
		for _, p := range found.Items {
			if p.BaseURL != from {
				continue
			}
			if _, err := g.providers.Update(ctx, p.ID, provider.UpdateInput{BaseURL: &to}); err != nil {
				return fmt.Errorf("provider %s: %w", p.Slug, err)
			}
		}
		if !found.HasNext {
			return nil
		}
		args.After = found.End()
	}
}
