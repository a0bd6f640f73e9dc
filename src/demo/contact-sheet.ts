/** The demo draws with the evaluation's contact sheet. */
export { contactSheet, type SheetRow, spreadSlices } from "../evaluate/contact-sheet.js";
