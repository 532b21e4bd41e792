"""The control app: settings, launch, the homepage and the `/process` API."""
