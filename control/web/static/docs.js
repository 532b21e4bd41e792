// Shows the API's OpenAPI document in the system's colour scheme, and calls the API with the browser's login.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const viewer = document.getElementById("viewer");
const empty = () => () => null;
const components = {
  // The browser is logged in already.
  authorizeBtn: empty,
  authorizeOperationBtn: empty,
  // Otherwise a link is nested in the button that opens the endpoint.
  DeepLink: () => ({ text }) => text,
  // It is outside of the viewer's <main>, so it needs a landmark of its own.
  InfoContainer: (Info, { React }) => (properties) =>
    React.createElement("section", { "aria-label": "About this API" }, React.createElement(Info, properties)),
  // The viewer has an <h1> above its endpoints, an <h4> within them, and no heading levels between.
  operations: (Operations, { React }) => (properties) =>
    React.createElement(
      "div", null,
      React.createElement("h2", { className: "visually-hidden" }, "Endpoints"),
      React.createElement(Operations, properties),
    ),
  OperationSummary: (Summary, { React }) => (properties) =>
    React.createElement("div", { role: "heading", "aria-level": 3 }, React.createElement(Summary, properties)),
};

SwaggerUIBundle({
  domNode: viewer,
  url: viewer.dataset.document,
  validatorUrl: null, // otherwise the viewer sends the document to a server on the internet
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1, // the only one is that of errors, which each endpoint shows
  syntaxHighlight: false, // its colours fit a dark background only
  displayRequestDuration: true,
  tryItOutEnabled: true,
  plugins: [{ wrapComponents: components }],
  requestInterceptor: (request) => {
    request.curlOptions = ["-u", `${viewer.dataset.user}:PASSWORD`]; // of the command that is shown
    return request;
  },
});
