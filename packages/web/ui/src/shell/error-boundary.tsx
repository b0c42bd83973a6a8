import { Component, type ComponentChildren } from "preact";
import { Problem } from "./problem.tsx";

/** A component that throws shows what happened in its place; the rest of the page goes on. */
export class ErrorBoundary extends Component<{ children?: ComponentChildren }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ error });
  }

  override render() {
    if (this.state.error !== undefined) {
      return (
        <Problem
          title="This part of the page failed."
          error={this.state.error}
          retry={() => this.setState({ error: undefined })}
        />
      );
    }
    return this.props.children;
  }
}
