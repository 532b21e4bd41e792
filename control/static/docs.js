// Shows the API's OpenAPI document, in the colours that the system prefers, and lets the browser's own login call it.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const viewer = document.getElementById("viewer");
const nothing = () => () => null;
const components = {
  // The browser has logged in already, so there is nothing to fill in.
  authorizeBtn: nothing,
  authorizeOperationBtn: nothing,
  // A link within the button that opens the endpoint would be two controls in one.
  DeepLink: () => ({ text }) => text,
};

SwaggerUIBundle({
  domNode: viewer,
  url: viewer.dataset.document,
  validatorUrl: null, // else a server on the internet would be asked
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1, // none but that of errors, which each endpoint's answers tell
  syntaxHighlight: false, // its colours are for a dark background only
  displayRequestDuration: true,
  tryItOutEnabled: true,
  plugins: [{ wrapComponents: components }],
  requestInterceptor: (request) => {
    request.curlOptions = ["-u", `${viewer.dataset.user}:PASSWORD`]; // of the line that is shown
    return request;
  },
});
